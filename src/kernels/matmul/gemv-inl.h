// Dot products of a few rows with weight rows (gemv.h), a template over the weights' element type: one file
// instantiates it for each, since compiling takes long. Included once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_GEMV_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_GEMV_INL_H_
#undef GREMIUM_KERNELS_GEMV_INL_H_
#else
#define GREMIUM_KERNELS_GEMV_INL_H_
#endif

#include "kernels/matmul/product.h"
#include "kernels/simd/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

// `cols` neighbouring weight rows against M rows of x: sums enough to hide the latency of an addition.
constexpr int cols = 4;

template <DType type, int M>
void dots_of(float* sums, const float* x, int64_t stride, const Product& product, int64_t n0, int64_t n) {
    const F32 d;
    constexpr int64_t lanes = block / block_vectors;
    const int64_t k = product.k, whole = k / block * block;
    const int64_t ahead = cols * product.b.stride;  // the same place in the next rows: far enough for any memory
    for (int64_t j = 0; j < n; j += cols) {
        const std::byte* w[cols];
        for (int c = 0; c < cols; ++c) w[c] = product.b.row(n0 + std::min(j + c, n - 1));
        VecF acc[cols][M];
#pragma GCC unroll 4
        for (int c = 0; c < cols; ++c) {
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m) acc[c][m] = hn::Zero(d);
        }
        const auto multiply = [&](int c, const std::byte* at, int64_t i) HWY_ATTR {
            VecF v[block_vectors];
            load_block<type>(at, v);
            __builtin_prefetch(at + ahead, 0, 2);
            if constexpr (block_bytes < type >> 64) __builtin_prefetch(at + ahead + 64, 0, 2);
#pragma GCC unroll block_unroll
            for (int64_t q = 0; q < block_vectors; ++q) {
#pragma GCC unroll 4
                for (int m = 0; m < M; ++m) {
                    acc[c][m] = hn::MulAdd(v[q], hn::LoadU(d, x + m * stride + i + q * lanes), acc[c][m]);
                }
            }
        };
        for (int64_t i = 0, at = 0; i < whole; i += block, at += block_bytes<type>) {
#pragma GCC unroll 4
            for (int c = 0; c < cols; ++c) multiply(c, w[c] + at, i);
        }
        if (whole < k) {
#pragma GCC unroll 4
            for (int c = 0; c < cols; ++c) {
                std::byte tail[block_bytes<type>] = {};
                std::memcpy(tail, w[c] + bytes_of(type, whole), static_cast<size_t>(bytes_of(type, k - whole)));
                multiply(c, tail, whole);
            }
        }
#pragma GCC unroll 4
        for (int c = 0; c < cols; ++c) {
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m) {
                if (j + c < n) sums[m * n + j + c] = hn::GetLane(hn::SumOfLanes(d, acc[c][m]));
            }
        }
    }
}

template <DType type>
void dots(float* sums, const float* x, int64_t stride, int64_t m, const Product& product, int64_t n0, int64_t n) {
    switch (m) {
        case 1:
            return dots_of<type, 1>(sums, x, stride, product, n0, n);
        case 2:
            return dots_of<type, 2>(sums, x, stride, product, n0, n);
        case 3:
            return dots_of<type, 3>(sums, x, stride, product, n0, n);
        default:
            return dots_of<type, 4>(sums, x, stride, product, n0, n);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
