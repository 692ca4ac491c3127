// Dot products of a few rounded rows (codes.h) with rows of any block-quantised type, in whole numbers.
#include <algorithm>
#include <string>
#include <type_traits>

#include "kernels/codes.h"
#include "kernels/gemm.h"

#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemv_codes.cpp"
#include "kernels/dispatch.h"

#include "kernels/code_halves-inl.h"
#include "kernels/dot_bytes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

std::string_view gemv_codes_name() {
    static const std::string name = std::string(hwy::TargetName(HWY_TARGET)) + " codes gemv";
    return name;
}

#if HWY_TARGET == HWY_SCALAR

void gemv_codes(float*, int64_t, int64_t, const Product&, int64_t, int64_t, const std::byte*) {}

#else

template <bool fine>
using Row = std::conditional_t<fine, FineRounded, Rounded>;

// One chunk of C weight rows against M rows of x: sums enough to hide the latency of an addition.
template <DType type, int C, int M, bool fine>
struct Chunk {
    static constexpr bool wide = Coded<type>::wide;
    VecFactor (&sums)[C][M];
    const std::byte* const (&w)[C];
    const Row<fine>* const (&x)[M];

    // Adds whole-number sums, each lane times the scale of its part.
    HWY_INLINE void add(int c, int m, VecI32 sum, VecFactor scale) const {
        sums[c][m] = hn::MulAdd(hn::ConvertTo(FactorTag(), sum), scale, sums[c][m]);
    }

    // What has no codes in it; scale[c][m]: products of the factors of w and x.
    HWY_INLINE void add_sums(const Affine (&factors)[C], int f, VecFactor (&scale)[C][M]) const {
        const FactorTag d;
        const hn::Rebind<int32_t, FactorTag> di;
        constexpr int zero = Coded<type>::zero;
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) {
            const VecFactor x_scale = hn::Load(d, x[m]->scale + f * factor_lanes);
            const VecFactor x_total = hn::ConvertTo(d, hn::Load(di, x[m]->total + f * factor_lanes));
            const VecFactor x_sum = hn::Mul(x_total, zero ? hn::Set(d, -zero) : x_scale);
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
        for (int c = 0; c < C; ++c) factors[c] = Coded<type>::factors(w[c]);
#pragma GCC unroll 4
        for (int f = 0; f < static_cast<int>(factor_vectors); ++f) {
            VecFactor scale[C][M];
            add_sums(factors, f, scale);
            if constexpr (Halves<type>::exist) {
                add_half<0>(scale);
                add_half<1>(scale);
            } else {
#pragma GCC unroll 4
                for (int v = 0; v < 4; ++v) add_vector(f, v, scale);
            }
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
        VecU8 codes[C];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) codes[c] = Coded<type>::codes(w[c], at);
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) {
            const VecI8 q = hn::Load(I8(), x[m]->q + at * code_lanes);
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) {
                VecI32 sum = dot_bytes<wide>(hn::Zero(I32()), codes[c], q);
                if constexpr (fine) {
                    const VecI8 low = hn::Load(I8(), x[m]->low + at * code_lanes);
                    sum = dot_bytes<wide>(hn::ShiftLeft<8>(sum), codes[c], low);
                }
                add(c, m, sum, hn::TableLookupLanes(scale[c][m], part_of_lane));
            }
        }
    }

#if HWY_CAP_GE512
    // Weights 128·h.. in the order of Halves.
    template <int h>
    HWY_INLINE void add_half(const VecFactor (&scale)[C][M]) const {
        constexpr Order order = Halves<type>::order;
        TwoVectors codes[C];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) codes[c] = Halves<type>::codes(w[c], h);
        const auto index0 = parts_of_lanes<order, 2 * h>(), index1 = parts_of_lanes<order, 2 * h + 1>();
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) {
            const VecI8 q0 = arranged<order, 2 * h>(x[m]->q), q1 = arranged<order, 2 * h + 1>(x[m]->q);
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) {
                const auto [codes0, codes1] = codes[c];
                VecI32 sum0 = dot_bytes<wide>(hn::Zero(I32()), codes0, q0);
                VecI32 sum1 = dot_bytes<wide>(order == Order::blocks ? sum0 : hn::Zero(I32()), codes1, q1);
                if constexpr (fine) {
                    const VecI8 low0 = arranged<order, 2 * h>(x[m]->low),
                                low1 = arranged<order, 2 * h + 1>(x[m]->low);
                    if constexpr (order != Order::blocks)
                        sum0 = dot_bytes<wide>(hn::ShiftLeft<8>(sum0), codes0, low0);
                    sum1 = dot_bytes<wide>(hn::ShiftLeft<8>(sum1), codes1, low1);
                    if constexpr (order == Order::blocks) sum1 = dot_bytes<wide>(sum1, codes0, low0);
                }
                if constexpr (order != Order::blocks)
                    add(c, m, sum0, hn::TableLookupLanes(scale[c][m], index0));
                add(c, m, sum1, hn::TableLookupLanes(scale[c][m], index1));
            }
        }
    }
#endif
};

using Quad = hn::CappedTag<float, 4>;

// The sums of the lanes of four vectors.
template <typename D>
HWY_INLINE hn::Vec<Quad> fold(D d, hn::Vec<D> v) {
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
    const auto low =
        hn::BitCast(wide, hn::Add(hn::InterleaveLower(d, v0, v1), hn::InterleaveUpper(d, v0, v1)));
    const auto high =
        hn::BitCast(wide, hn::Add(hn::InterleaveLower(d, v2, v3), hn::InterleaveUpper(d, v2, v3)));
    return fold(d, hn::Add(hn::BitCast(d, hn::InterleaveLower(wide, low, high)),
                           hn::BitCast(d, hn::InterleaveUpper(wide, low, high))));
}

constexpr int64_t bytes_ahead =
    8 << 10;  // by measurement: memory answers in time, and the first-level cache holds it

// `then`: what the thread reads when it is through with these rows.
template <DType type, int C, int M, bool fine>
void dots_of(float* out, int64_t m0, const Product& product, int64_t n0, int64_t n, const std::byte* then) {
    const FactorTag d;
    constexpr int64_t bytes = sizeof(Tail<type>::padded);
    const int64_t stride = product.b.stride, ahead = (bytes_ahead / stride + C) / C * C;
    Tail<type> tails[C];
    const Row<fine>* x_rows[M];
    for (int m = 0; m < M; ++m) x_rows[m] = product.a.rounded_row<Row<fine> >(m0 + m);
    for (int64_t j = 0; j < n; j += C) {
        const std::byte* const soon =
            j + ahead < n ? product.b.row(n0 + j + ahead) : then + (j + ahead - n) * stride;
        const std::byte* rows[C];
        VecFactor sums[C][M];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) {
            rows[c] = product.b.row(n0 + std::min(j + c, n - 1));
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m) sums[c][m] = hn::Zero(d);
        }
        for (int64_t i = 0; i * code_chunk < product.k; ++i) {
            const std::byte* w[C];
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) {
                w[c] = tails[c].chunk_at(rows[c], i * code_chunk, product.k);
#pragma GCC unroll 8
                for (int64_t b = 0; b < bytes; b += 64)
                    __builtin_prefetch(soon + c * stride + i * bytes + b, 0, 3);
            }
            const Row<fine>* x[M];
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m) x[m] = x_rows[m] + i;
            Chunk<type, C, M, fine>{sums, w, x}.run();
        }
        VecFactor all[4];  // C · M is 4, or 8
        for (int first = 0; first < C * M; first += 4) {
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

template <DType type, bool fine>
void dots(float* sums, int64_t m0, int64_t m, const Product& product, int64_t n0, int64_t n,
          const std::byte* then) {
    if (m >= 4) return dots_of<type, 2, 4, fine>(sums, m0, product, n0, n, then);
    if (m >= 2) {
        dots_of<type, 2, 2, fine>(sums, m0, product, n0, n, then);
        sums += 2 * n, m0 += 2, m -= 2;
    }
    if (m > 0) dots_of<type, 4, 1, fine>(sums, m0, product, n0, n, then);
}

template <DType type>
void dots(float* sums, int64_t m0, int64_t m, const Product& product, int64_t n0, int64_t n,
          const std::byte* then) {
    (product.a.fine ? dots<type, true> : dots<type, false>)(sums, m0, m, product, n0, n, then);
}

void gemv_codes(float* sums, int64_t m0, int64_t m, const Product& product, int64_t n0, int64_t n,
                const std::byte* then) {
    switch (product.b.dtype) {
        case DType::q8_0:
            return dots<DType::q8_0>(sums, m0, m, product, n0, n, then);
        case DType::q4_0:
            return dots<DType::q4_0>(sums, m0, m, product, n0, n, then);
        case DType::q4_1:
            return dots<DType::q4_1>(sums, m0, m, product, n0, n, then);
        case DType::q5_0:
            return dots<DType::q5_0>(sums, m0, m, product, n0, n, then);
        case DType::q5_1:
            return dots<DType::q5_1>(sums, m0, m, product, n0, n, then);
        case DType::iq4_nl:
            return dots<DType::iq4_nl>(sums, m0, m, product, n0, n, then);
        case DType::mxfp4:
            return dots<DType::mxfp4>(sums, m0, m, product, n0, n, then);
        case DType::q2_k:
            return dots<DType::q2_k>(sums, m0, m, product, n0, n, then);
        case DType::q3_k:
            return dots<DType::q3_k>(sums, m0, m, product, n0, n, then);
        case DType::q4_k:
            return dots<DType::q4_k>(sums, m0, m, product, n0, n, then);
        case DType::q5_k:
            return dots<DType::q5_k>(sums, m0, m, product, n0, n, then);
        case DType::q6_k:
            return dots<DType::q6_k>(sums, m0, m, product, n0, n, then);
        case DType::iq4_xs:
            return dots<DType::iq4_xs>(sums, m0, m, product, n0, n, then);
        default:
            return;
    }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(gemv_codes_name);
HWY_EXPORT(gemv_codes);

std::string_view gemv_codes_name() { return HWY_DYNAMIC_DISPATCH(gemv_codes_name)(); }

void gemv_codes(float* sums, int64_t m0, int64_t m, const Product& product, int64_t n0, int64_t n,
                const std::byte* then) {
    HWY_DYNAMIC_DISPATCH(gemv_codes)(sums, m0, m, product, n0, n, then);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
