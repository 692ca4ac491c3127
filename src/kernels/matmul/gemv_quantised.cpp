// Dot products of a few rounded rows (chunk.h) with rows of any block-quantised type, in whole numbers.
#include <algorithm>
#include <string>
#include <type_traits>

#include "kernels/matmul/gemv.h"
#include "kernels/quantised/chunk.h"

#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/gemv_quantised.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/quantised/dot_bytes-inl.h"
#include "kernels/quantised/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

std::string_view gemv_quantised_name() {
    static const std::string name = std::string(hwy::TargetName(HWY_TARGET)) + " quantised gemv";
    return name;
}

#if HWY_TARGET == HWY_SCALAR

void gemv_quantised_inputs(std::byte*, const Product&) {}
void gemv_quantised(float*, const std::byte*, int64_t, const Product&, int64_t, int64_t, const std::byte*) {}

#else

template <bool fine>
using Row = std::conditional_t<fine, FineRounded, Rounded>;

// One chunk of C weight rows against M rows of x: sums enough to hide the latency of an addition.
template <DType type, int C, int M, bool fine>
struct Chunk {
    static constexpr bool wide = Quantised<type>::wide;
    static constexpr int zero = Quantised<type>::zero;
    VecFactor (&sums)[C][M];
    const std::byte* const (&w)[C];
    const Row<fine>* const (&x)[M];

    // Adds whole-number sums, each lane times the scale of its part.
    HWY_INLINE void add(int c, int m, VecI32 sum, VecFactor scale) const {
        sums[c][m] = hn::MulAdd(hn::ConvertTo(FactorTag(), sum), scale, sums[c][m]);
    }

#if HWY_CAP_GE512

    HWY_INLINE void run() const {
        const FactorTag d;
        VecFactor x_sum[M];  // where quants have no zero
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) x_sum[m] = hn::Mul(hn::ConvertTo(d, total(m)), hn::Load(d, x[m]->scale));
#pragma GCC unroll 4
        for (int c = 0; c < C; c += together) {
            Lanes quants[together];
            VecFactor scale[together], min[together];
#pragma GCC unroll 4
            for (int i = 0; i < together; ++i) {
                quants[i] = LanesOf<type>::quants(w[c + i]);
                const Affine factors = Quantised<type>::factors(w[c + i]);
                scale[i] = factors.scale.v[0];
                min[i] = factors.min.v[0];
            }
#pragma GCC unroll 8
            for (int m = 0; m < M; ++m) {
                VecI32 sum[together];
#pragma GCC unroll 4
                for (int i = 0; i < together; ++i) sum[i] = fine || !zero ? hn::Zero(I32()) : total(m);
                add_dots(sum, quants, x[m]->q);
                if constexpr (fine) {
#pragma GCC unroll 4
                    for (int i = 0; i < together; ++i)
                        sum[i] = hn::Add(hn::ShiftLeft<8>(sum[i]), zero ? total(m) : hn::Zero(I32()));
                    add_dots(sum, quants, x[m]->low);
                }
                const VecFactor x_scale = hn::Load(d, x[m]->scale);
#pragma GCC unroll 4
                for (int i = 0; i < together; ++i) {
                    add(c + i, m, sum[i], hn::Mul(scale[i], x_scale));
                    if constexpr (!zero) sums[c + i][m] = hn::MulAdd(x_sum[m], min[i], sums[c + i][m]);
                }
            }
        }
    }
    HWY_INLINE VecI32 total(int m) const { return hn::Load(I32(), x[m]->total); }

    // Weight rows whose quants are held while all rows of x meet them; more do not fit in registers.
    static constexpr int together = M < 4 ? 1 : C;
    static HWY_INLINE void add_dots(VecI32 (&sum)[together], const Lanes (&quants)[together], const int8_t* q) {
#pragma GCC unroll 4
        for (int t = 0; t < 4; ++t) {
            const VecI8 v = hn::Load(I8(), q + t * quant_lanes);
#pragma GCC unroll 4
            for (int i = 0; i < together; ++i) sum[i] = dot_bytes<wide>(sum[i], quants[i].v[t], v);
        }
    }

#else

    // What has no quants in it; scale[c][m]: products of the factors of w and x.
    HWY_INLINE void add_sums(const Affine (&factors)[C], int f, VecFactor (&scale)[C][M]) const {
        const FactorTag d;
        const hn::Rebind<int32_t, FactorTag> di;
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) {
            const VecFactor x_scale = hn::Load(d, x[m]->scale + f * factor_lanes);
            const VecFactor x_total = hn::ConvertTo(d, hn::Load(di, x[m]->total + f * factor_lanes));
            const VecFactor x_sum = zero ? x_total : hn::Mul(x_total, x_scale);
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) {
                scale[c][m] = hn::Mul(x_scale, factors[c].scale.v[f]);
                sums[c][m] = hn::MulAdd(x_sum, zero ? scale[c][m] : factors[c].min.v[f], sums[c][m]);
            }
        }
    }

    HWY_INLINE void run() const {
        Affine factors[C];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) factors[c] = Quantised<type>::factors(w[c]);
#pragma GCC unroll 4
        for (int f = 0; f < static_cast<int>(factor_vectors); ++f) {
            VecFactor scale[C][M];
            add_sums(factors, f, scale);
#pragma GCC unroll 4
            for (int v = 0; v < 4; ++v) add_vector(f, v, scale);
        }
    }

    // Vector v of those that belong to vector f of the factors, in order.
    HWY_INLINE void add_vector(int f, int v, const VecFactor (&scale)[C][M]) const {
        const FactorTag d;
        const hn::Rebind<int32_t, FactorTag> di;
        const int at = 4 * f + v;
        const auto part_of_lane =  // four lanes of 32-bit sums belong to one part
            hn::IndicesFromVec(d, hn::Add(hn::ShiftRight<2>(hn::Iota(di, 0)),
                                          hn::Set(di, static_cast<int32_t>(v * factor_lanes / 4))));
        VecU8 quants[C];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) quants[c] = Quantised<type>::quants(w[c], at);
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) {
            const VecI8 q = hn::Load(I8(), x[m]->q + at * quant_lanes);
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) {
                VecI32 sum = dot_bytes<wide>(hn::Zero(I32()), quants[c], q);
                if constexpr (fine) {
                    const VecI8 low = hn::Load(I8(), x[m]->low + at * quant_lanes);
                    sum = dot_bytes<wide>(hn::ShiftLeft<8>(sum), quants[c], low);
                }
                add(c, m, sum, hn::TableLookupLanes(scale[c][m], part_of_lane));
            }
        }
    }

#endif
};

// The chunks of one row as Chunk reads them: bytes in the order of quants, and of what is to be added where quants have a zero,
// −zero·total.
template <DType type, bool fine>
void arrange(const Row<fine>* from, int64_t chunks, Row<fine>* to) {
    constexpr int zero = Quantised<type>::zero;
    for (int64_t i = 0; i < chunks; ++i) {
        to[i] = from[i];
        for (int32_t& total : to[i].total) total *= zero ? -zero : 1;
#if HWY_CAP_GE512
        to_lanes<Quantised<type>::small_parts>(from[i].q, to[i].q);
        if constexpr (fine) to_lanes<Quantised<type>::small_parts>(from[i].low, to[i].low);
#endif
    }
}

using Quad = hn::CappedTag<float, 4>;

// The sums of the lanes of four vectors.
template <typename D>
HWY_INLINE hn::Vec<Quad> fold(D, hn::Vec<D> v) {
    if constexpr (hn::MaxLanes(D()) == 4) {
        return v;
    } else {
        const hn::Half<D> half;
        return fold(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
    }
}
HWY_INLINE hn::Vec<Quad> sums_of_four(VecFactor v0, VecFactor v1, VecFactor v2, VecFactor v3) {
    const FactorTag d;
    const hn::Repartition<uint64_t, FactorTag> wide;
    const auto low = hn::BitCast(wide, hn::Add(hn::InterleaveLower(d, v0, v1), hn::InterleaveUpper(d, v0, v1)));
    const auto high = hn::BitCast(wide, hn::Add(hn::InterleaveLower(d, v2, v3), hn::InterleaveUpper(d, v2, v3)));
    return fold(d, hn::Add(hn::BitCast(d, hn::InterleaveLower(wide, low, high)),
                           hn::BitCast(d, hn::InterleaveUpper(wide, low, high))));
}

// By measurement: memory answers in time, and the first-level cache holds it.
constexpr int64_t bytes_ahead = 8 << 10;

// `then`: what the thread reads when it is through with these rows.
template <DType type, int C, int M, bool fine>
void dots_of(float* out, const Row<fine>* x, const Product& product, int64_t n0, int64_t n, const std::byte* then) {
    const FactorTag d;
    constexpr int64_t bytes = C * int64_t{sizeof(Tail<type>::padded)};  // that a step of k reads
    const int64_t stride = product.b.stride, ahead = (bytes_ahead / stride + C) / C * C;
    const int64_t chunks = chunks_of(product.k);
    Tail<type> tails[C];
    for (int64_t j = 0; j < n; j += C) {
        const std::byte* const soon = j + ahead < n ? product.b.row(n0 + j + ahead) : then + (j + ahead - n) * stride;
        const std::byte* rows[C];
        VecFactor sums[C][M];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) {
            rows[c] = product.b.row(n0 + std::min(j + c, n - 1));
#pragma GCC unroll 8
            for (int m = 0; m < M; ++m) sums[c][m] = hn::Zero(d);
        }
        for (int64_t i = 0; i < chunks; ++i) {
#pragma GCC unroll 32
            for (int64_t b = 0; b < bytes; b += 64) __builtin_prefetch(soon + i * bytes + b, 0, 3);
            const std::byte* w[C];
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) w[c] = tails[c].chunk_at(rows[c], i * chunk_size, product.k);
            const Row<fine>* x_rows[M];
#pragma GCC unroll 8
            for (int m = 0; m < M; ++m) x_rows[m] = x + m * chunks + i;
            Chunk<type, C, M, fine>{sums, w, x_rows}.run();
        }
        for (int first = 0; first < C * M; first += 4) {  // C · M is a multiple of 4
            VecFactor all[4];
#pragma GCC unroll 4
            for (int s = 0; s < 4; ++s) all[s] = sums[(first + s) % C][(first + s) / C];
            HWY_ALIGN float four[4];
            hn::Store(sums_of_four(all[0], all[1], all[2], all[3]), Quad(), four);
            for (int s = 0; s < 4; ++s) {
                const int c = (first + s) % C, m = (first + s) / C;
                if (j + c < n) out[m * n + j + c] = four[s];
            }
        }
    }
}

// Rows are taken several at a time: with more of them fewer weights are unpacked. How many of either, by measurement.
template <DType type, bool fine>
struct Gemv {
    float* sums;
    const Row<fine>* x;
    int64_t m;
    const Product& product;
    int64_t n0, n;
    const std::byte* then;

    template <int M, int C>
    void take() {
        const int64_t chunks = chunks_of(product.k);
        for (; m >= M; m -= M, sums += M * n, x += M * chunks)
            dots_of<type, C, M, fine>(sums, x, product, n0, n, m == M ? then : product.b.row(n0));
    }
    void run() {
#if HWY_CAP_GE512
        take<8, 2>();
        take<4, 2>();
        take<3, 4>();
        take<2, 4>();
#else
        take<4, 2>();
        take<2, 2>();
#endif
        take<1, 4>();
    }
};

template <DType type_, bool fine_>
struct Types {
    static constexpr DType type = type_;
    static constexpr bool fine = fine_;
};

// function(Types) for those of a product.
template <DType type, typename Function>
void with_fine(const Product& product, Function&& function) {
    product.a.fine ? function(Types<type, true>()) : function(Types<type, false>());
}
template <typename Function>
void with_types(const Product& product, Function&& function) {
    switch (product.b.dtype) {
        case DType::q8_0:
            return with_fine<DType::q8_0>(product, function);
        case DType::q4_0:
            return with_fine<DType::q4_0>(product, function);
        case DType::q4_1:
            return with_fine<DType::q4_1>(product, function);
        case DType::q5_0:
            return with_fine<DType::q5_0>(product, function);
        case DType::q5_1:
            return with_fine<DType::q5_1>(product, function);
        case DType::iq4_nl:
            return with_fine<DType::iq4_nl>(product, function);
        case DType::mxfp4:
            return with_fine<DType::mxfp4>(product, function);
        case DType::q2_k:
            return with_fine<DType::q2_k>(product, function);
        case DType::q3_k:
            return with_fine<DType::q3_k>(product, function);
        case DType::q4_k:
            return with_fine<DType::q4_k>(product, function);
        case DType::q5_k:
            return with_fine<DType::q5_k>(product, function);
        case DType::q6_k:
            return with_fine<DType::q6_k>(product, function);
        case DType::iq4_xs:
            return with_fine<DType::iq4_xs>(product, function);
        default:
            return;
    }
}

void gemv_quantised_inputs(std::byte* x, const Product& product) {
    with_types(product, [&](auto types) {
        using To = Row<types.fine>;
        const int64_t chunks = chunks_of(product.k);
        for (int64_t i = 0; i < product.m; ++i)
            arrange<types.type, types.fine>(product.a.rounded_row<To>(i), chunks,
                                            reinterpret_cast<To*>(x) + i * chunks);
    });
}

void gemv_quantised(float* sums, const std::byte* x, int64_t m, const Product& product, int64_t n0, int64_t n,
                    const std::byte* then) {
    with_types(product, [&](auto types) {
        const auto* const rows = reinterpret_cast<const Row<types.fine>*>(x);
        Gemv<types.type, types.fine>{sums, rows, m, product, n0, n, then}.run();
    });
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(gemv_quantised_name);
HWY_EXPORT(gemv_quantised_inputs);
HWY_EXPORT(gemv_quantised);

std::string_view gemv_quantised_name() { return HWY_DYNAMIC_DISPATCH(gemv_quantised_name)(); }

void gemv_quantised_inputs(std::byte* x, const Product& product) {
    HWY_DYNAMIC_DISPATCH(gemv_quantised_inputs)(x, product);
}

void gemv_quantised(float* sums, const std::byte* x, int64_t m, const Product& product, int64_t n0, int64_t n,
                    const std::byte* then) {
    HWY_DYNAMIC_DISPATCH(gemv_quantised)(sums, x, m, product, n0, n, then);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
