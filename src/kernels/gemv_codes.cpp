// Dot products of a few rounded rows (codes.h) with rows of any block-quantised type, in whole numbers.
#include <algorithm>
#include <string>

#include "kernels/codes.h"
#include "kernels/gemm.h"

#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemv_codes.cpp"
#include "kernels/dispatch.h"

#include "kernels/codes_32-inl.h"
#include "kernels/codes_k-inl.h"
#include "kernels/dot_bytes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

std::string_view gemv_codes_name() {
    static const std::string name = std::string(hwy::TargetName(HWY_TARGET)) + " codes gemv";
    return name;
}

#if HWY_TARGET == HWY_SCALAR

void gemv_codes(float*, int64_t, int64_t, const Product&, int64_t, int64_t) {}

#else

// One chunk of C weight rows against M rows of x: sums enough to hide the latency of an addition.
template <DType type, int C, int M>
HWY_INLINE void add_chunk(VecFactor (&sums)[C][M], const std::byte* const (&w)[C],
                          const Rounded* const (&x)[M]) {
    const FactorTag d;
    const hn::Rebind<int32_t, FactorTag> di;
    Affine factors[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) factors[c] = Coded<type>::factors(w[c]);
#pragma GCC unroll 4
    for (int f = 0; f < static_cast<int>(factor_vectors); ++f) {
        VecFactor scale[C][M];
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) {
            const VecFactor x_scale = hn::Load(d, x[m]->scale + f * factor_lanes);
            const VecFactor x_sum = hn::Load(d, x[m]->sum + f * factor_lanes);
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) {
                scale[c][m] = hn::Mul(x_scale, factors[c].scale.v[f]);
                sums[c][m] = hn::MulAdd(x_sum, factors[c].min.v[f], sums[c][m]);
            }
        }
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {  // four lanes of 32-bit sums belong to one part
            const int at = 4 * f + v;
            const auto part_of_lane =
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
                    const VecI32 sum = dot_bytes<Coded<type>::wide>(hn::Zero(I32()), codes[c], q);
                    sums[c][m] = hn::MulAdd(hn::ConvertTo(d, sum),
                                            hn::TableLookupLanes(scale[c][m], part_of_lane), sums[c][m]);
                }
            }
        }
    }
}

template <DType type, int C, int M>
void dots_of(float* out, int64_t m0, const Product& product, int64_t n0, int64_t n) {
    const FactorTag d;
    constexpr int64_t bytes = sizeof(Tail<type>::padded);
    const int64_t ahead = C * product.b.stride;  // the same place in the next rows: far enough for any memory
    Tail<type> tails[C];
    for (int64_t j = 0; j < n; j += C) {
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
                    __builtin_prefetch(rows[c] + ahead + i * bytes + b, 0, 2);
            }
            const Rounded* x_rows[M];
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m)
                x_rows[m] = product.a.rounded_row((m0 + m) / product.a.terms,
                                                  static_cast<int>((m0 + m) % product.a.terms)) +
                            i;
            add_chunk<type>(sums, w, x_rows);
        }
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) {
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m) {
                if (j + c < n) out[m * n + j + c] = hn::GetLane(hn::SumOfLanes(d, sums[c][m]));
            }
        }
    }
}

template <DType type>
void dots(float* sums, int64_t m0, int64_t m, const Product& product, int64_t n0, int64_t n) {
    if (m >= 4) return dots_of<type, 2, 4>(sums, m0, product, n0, n);
    if (m >= 2) {
        dots_of<type, 2, 2>(sums, m0, product, n0, n);
        sums += 2 * n, m0 += 2, m -= 2;
    }
    if (m > 0) dots_of<type, 4, 1>(sums, m0, product, n0, n);
}

void gemv_codes(float* sums, int64_t m0, int64_t m, const Product& product, int64_t n0, int64_t n) {
    switch (product.b.dtype) {
        case DType::q8_0:
            return dots<DType::q8_0>(sums, m0, m, product, n0, n);
        case DType::q4_0:
            return dots<DType::q4_0>(sums, m0, m, product, n0, n);
        case DType::q4_1:
            return dots<DType::q4_1>(sums, m0, m, product, n0, n);
        case DType::q5_0:
            return dots<DType::q5_0>(sums, m0, m, product, n0, n);
        case DType::q5_1:
            return dots<DType::q5_1>(sums, m0, m, product, n0, n);
        case DType::iq4_nl:
            return dots<DType::iq4_nl>(sums, m0, m, product, n0, n);
        case DType::mxfp4:
            return dots<DType::mxfp4>(sums, m0, m, product, n0, n);
        case DType::q2_k:
            return dots<DType::q2_k>(sums, m0, m, product, n0, n);
        case DType::q3_k:
            return dots<DType::q3_k>(sums, m0, m, product, n0, n);
        case DType::q4_k:
            return dots<DType::q4_k>(sums, m0, m, product, n0, n);
        case DType::q5_k:
            return dots<DType::q5_k>(sums, m0, m, product, n0, n);
        case DType::q6_k:
            return dots<DType::q6_k>(sums, m0, m, product, n0, n);
        case DType::iq4_xs:
            return dots<DType::iq4_xs>(sums, m0, m, product, n0, n);
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

void gemv_codes(float* sums, int64_t m0, int64_t m, const Product& product, int64_t n0, int64_t n) {
    HWY_DYNAMIC_DISPATCH(gemv_codes)(sums, m0, m, product, n0, n);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
