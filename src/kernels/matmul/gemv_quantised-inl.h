// Dot products of a few rounded rows (chunk.h) with rows of block-quantised weights, in whole numbers: a template
// over the type, which gemv_blocks_32.cpp, gemv_blocks_k.cpp and gemv_unpacked.cpp instantiate. Included once per
// Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_GEMV_QUANTISED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_GEMV_QUANTISED_INL_H_
#undef GREMIUM_KERNELS_GEMV_QUANTISED_INL_H_
#else
#define GREMIUM_KERNELS_GEMV_QUANTISED_INL_H_
#endif

#include <algorithm>
#include <string>
#include <type_traits>

#include "kernels/matmul/gemv.h"
#include "kernels/quantised/dot_bytes-inl.h"
#include "kernels/quantised/lanes-inl.h"
#include "kernels/quantised/quantised.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

template <DType type>
QuantisedDots dots_of_type(bool) {
    return {};
}

#else

// Weights that are unpacked as they are multiplied: code for each type.
template <DType type>
struct Typed : Quantised<type> {
    static constexpr bool centred = Quantised<type>::zero != 0;
#if HWY_CAP_GE512
    static HWY_INLINE Lanes lanes(const std::byte* at) { return LanesOf<type>::quants(at); }
#endif
    static constexpr int64_t chunk_bytes(const Product&) { return int64_t{sizeof(Tail<type>::padded)}; }

    struct Reader {
        Tail<type> tail;
        HWY_INLINE const std::byte* chunk_at(const Product& product, const std::byte* row, int64_t k) {
            return tail.chunk_at(row, k, product.k);
        }
    };
};

// Weights that are unpacked into memory first: one code for all types, for those where unpacking is most of the work,
// and for processors that gain nothing by more of it.
template <bool wide_, bool centred_>
struct Unpacked {
    static constexpr bool wide = wide_, centred = centred_;

    static HWY_INLINE VecU8 quants(const std::byte* at, int v) {
        return hn::Load(U8(), reinterpret_cast<const QuantisedChunk*>(at)->quant + v * quant_lanes);
    }
#if HWY_CAP_GE512
    static HWY_INLINE Lanes lanes(const std::byte* at) {
        Lanes out;
#pragma GCC unroll 4
        for (int t = 0; t < 4; ++t) out.v[t] = quants(at, t);
        return out;
    }
#endif
    static HWY_INLINE Affine factors(const std::byte* at) {
        const auto& chunk = *reinterpret_cast<const QuantisedChunk*>(at);
        Affine out;
#pragma GCC unroll 4
        for (int64_t j = 0; j < factor_vectors; ++j) {
            out.scale.v[j] = hn::Load(FactorTag(), chunk.scale + j * factor_lanes);
            out.min.v[j] = hn::Load(FactorTag(), chunk.min + j * factor_lanes);
        }
        return out;
    }
    static int64_t chunk_bytes(const Product& product) { return row_bytes(product.b.dtype, chunk_size); }

    struct Reader {
        QuantisedChunk chunk;
        const std::byte* chunk_at(const Product& product, const std::byte* row, int64_t k) {
            quantised_format(product.b.dtype).unpack(row, k, product.k, chunk);
            return reinterpret_cast<const std::byte*>(&chunk);
        }
    };
};

#if HWY_TARGET == HWY_SSE4
template <DType type>
using WeightsOf = Unpacked<Quantised<type>::wide, Quantised<type>::zero != 0>;
#else
template <DType type>
using WeightsOf = Typed<type>;
#endif

template <bool fine>
using Row = std::conditional_t<fine, FineRounded, Rounded>;

// One chunk of C weight rows against M rows of x: sums enough to hide the latency of an addition.
template <typename Weights, int C, int M, bool fine>
struct Chunk {
    static constexpr bool wide = Weights::wide;
    // Whether min = −zero·scale: then sums begin with −zero·total (arrange_rounded), and nothing is added for mins.
    static constexpr bool centred = Weights::centred;
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
        // Used where quants have no zero.
        VecFactor x_sum[M];
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) x_sum[m] = hn::Mul(hn::ConvertTo(d, total(m)), hn::Load(d, x[m]->scale));
#pragma GCC unroll 4
        for (int c = 0; c < C; c += together) {
            Lanes quants[together];
            VecFactor scale[together], min[together];
#pragma GCC unroll 4
            for (int i = 0; i < together; ++i) {
                quants[i] = Weights::lanes(w[c + i]);
                const Affine factors = Weights::factors(w[c + i]);
                scale[i] = factors.scale.v[0];
                min[i] = factors.min.v[0];
            }
#pragma GCC unroll 8
            for (int m = 0; m < M; ++m) {
                VecI32 sum[together];
#pragma GCC unroll 4
                for (int i = 0; i < together; ++i) sum[i] = fine || !centred ? hn::Zero(I32()) : total(m);
                add_dots(sum, quants, x[m]->q);
                if constexpr (fine) {
#pragma GCC unroll 4
                    for (int i = 0; i < together; ++i)
                        sum[i] = hn::Add(hn::ShiftLeft<8>(sum[i]), centred ? total(m) : hn::Zero(I32()));
                    add_dots(sum, quants, x[m]->low);
                }
                const VecFactor x_scale = hn::Load(d, x[m]->scale);
#pragma GCC unroll 4
                for (int i = 0; i < together; ++i) {
                    add(c + i, m, sum[i], hn::Mul(scale[i], x_scale));
                    if constexpr (!centred) sums[c + i][m] = hn::MulAdd(x_sum[m], min[i], sums[c + i][m]);
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
            const VecFactor x_sum = centred ? x_total : hn::Mul(x_total, x_scale);
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) {
                scale[c][m] = hn::Mul(x_scale, factors[c].scale.v[f]);
                sums[c][m] = hn::MulAdd(x_sum, centred ? scale[c][m] : factors[c].min.v[f], sums[c][m]);
            }
        }
    }

    HWY_INLINE void run() const {
        Affine factors[C];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) factors[c] = Weights::factors(w[c]);
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
        for (int c = 0; c < C; ++c) quants[c] = Weights::quants(w[c], at);
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
template <typename Weights, int C, int M, bool fine>
void dots_of(float* out, const Row<fine>* x, const Product& product, int64_t n0, int64_t n, const std::byte* then) {
    const FactorTag d;
    typename Weights::Reader readers[C];
    // That a step of k reads.
    const int64_t bytes = C * Weights::chunk_bytes(product);
    const int64_t stride = product.b.stride, ahead = (bytes_ahead / stride + C) / C * C;
    const int64_t chunks = chunks_of(product.k);
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
            for (int c = 0; c < C; ++c) w[c] = readers[c].chunk_at(product, rows[c], i * chunk_size);
            const Row<fine>* x_rows[M];
#pragma GCC unroll 8
            for (int m = 0; m < M; ++m) x_rows[m] = x + m * chunks + i;
            Chunk<Weights, C, M, fine>{sums, w, x_rows}.run();
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
template <typename Weights, bool fine>
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
            dots_of<Weights, C, M, fine>(sums, x, product, n0, n, m == M ? then : product.b.row(n0));
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

template <typename Weights, bool fine>
void run_gemv(float* sums, const std::byte* x, int64_t m, const Product& product, int64_t n0, int64_t n,
              const std::byte* then) {
    Gemv<Weights, fine>{sums, reinterpret_cast<const Row<fine>*>(x), m, product, n0, n, then}.run();
}

template <typename Weights>
QuantisedDots dots_of_weights(bool fine) {
    static const std::string name = std::string(hwy::TargetName(HWY_TARGET)) + " quantised gemv";
    return {name, fine ? run_gemv<Weights, true> : run_gemv<Weights, false>};
}

template <DType type>
QuantisedDots dots_of_type(bool fine) {
    return dots_of_weights<WeightsOf<type> >(fine);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
