// Rounding to bf16 for panels of pairs (Panel::bf16, matmul/panel.h): the leaves that take them run where AVX-512 has
// instructions for it. Included once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_BF16_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_BF16_PAIRS_INL_H_
#undef GREMIUM_KERNELS_BF16_PAIRS_INL_H_
#else
#define GREMIUM_KERNELS_BF16_PAIRS_INL_H_
#endif

#include "kernels/simd/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

// Two vectors as pairs of bf16, the first in the low halves.
HWY_INLINE hn::Vec<U32> pairs_of(VecF even, VecF odd) {
#if HWY_TARGET == HWY_AVX3
    alignas(64) static constexpr uint16_t order[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                       8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    hn::Vec<U32> both;
    asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(both.raw) : "v"(odd.raw), "v"(even.raw));
    both.raw = _mm512_permutexvar_epi16(_mm512_load_si512(order), both.raw);
    return both;
#else
    return hn::Or(hn::ShiftRight<16>(round_bits(even)), round_bits(odd));
#endif
}

// A vector as bf16.
HWY_INLINE void store_halves(VecF v, uint32_t* out) {
#if HWY_TARGET == HWY_AVX3
    __m256i halves;
    asm("vcvtneps2bf16 %1, %0" : "=v"(halves) : "v"(v.raw));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), halves);
#else
    store_bf16(v, reinterpret_cast<uint16_t*>(out));
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
