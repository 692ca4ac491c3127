// The bf16 tile kernel over VDPBF16PS (Zen 4, Cooper Lake and later), which Highway 1.0 does not offer. The attribute
// keeps the instructions inside this function; choose_leaf() asks the CPU before it hands it out.
#include "kernels/matmul/leaf.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gremium::kernels {

#if defined(__x86_64__)

namespace {

constexpr int tile_rows = 14, tile_cols = 32;
constexpr int64_t prefetch_ahead = 32, prefetch_every = 4;  // units

__attribute__((target("avx512f,avx512bf16"))) void tile_bf16(float* c, int64_t ldc, const uint32_t* a,
                                                             const uint32_t* b, int64_t units, bool add) {
    __m512 left[tile_rows], right[tile_rows];
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) left[i] = right[i] = _mm512_setzero_ps();
    // C is asked for row by row shortly before it is needed: all at once would stall, at the start it would be gone.
    for (int64_t row = 0, u = 0; row <= tile_rows; ++row) {
        for (; u < units - (row < tile_rows ? prefetch_ahead + prefetch_every * (tile_rows - row) : 0);
             ++u, b += tile_cols) {
            const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + 16);
#pragma GCC unroll 16
            for (int i = 0; i < tile_rows; ++i) {
                const __m512bh ai = (__m512bh)_mm512_set1_epi32(static_cast<int>(a[i * a_stride + u]));
                left[i] = _mm512_dpbf16_ps(left[i], ai, b0);
                right[i] = _mm512_dpbf16_ps(right[i], ai, b1);
            }
        }
        if (row == tile_rows) break;
        __builtin_prefetch(c + row * ldc, 1);
        __builtin_prefetch(c + row * ldc + tile_cols / 2, 1);
    }
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i, c += ldc) {
        if (add) {
            left[i] = _mm512_add_ps(left[i], _mm512_loadu_ps(c));
            right[i] = _mm512_add_ps(right[i], _mm512_loadu_ps(c + 16));
        }
        _mm512_storeu_ps(c, left[i]);
        _mm512_storeu_ps(c + 16, right[i]);
    }
}

__attribute__((target("avx512f,avx512bf16"))) double spin(int64_t rounds) {
    constexpr int chains = 24;
    __m512 sums[chains];
    __m512bh x = (__m512bh)_mm512_set1_epi32(0x3F803F80);
#pragma GCC unroll 24
    for (int i = 0; i < chains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
    for (int64_t r = 0; r < rounds; ++r) {
        asm volatile("" : "+v"(x));
#pragma GCC unroll 24
        for (int i = 0; i < chains; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], x, x);
    }
    for (int i = 0; i < chains; ++i) asm volatile("" : : "v"(sums[i]));
    return 2.0 * 32 * chains * static_cast<double>(rounds);
}

}  // namespace

const Leaf& avx512_bf16_leaf() {
    static constexpr Leaf leaf{.name = "AVX512_BF16",
                               .panel = Panel::bf16,
                               .mr = tile_rows,
                               .nr = tile_cols,
                               .units_multiple = 4,
                               .gemv_rows = 12,
                               .tile = tile_bf16,
                               .spin = spin};
    return leaf;
}

#else

const Leaf& avx512_bf16_leaf() { return simd_leaf(DType::bf16); }

#endif

}  // namespace gremium::kernels
