// Products of bytes summed in 32 bits, which Highway 1.0 does not offer. Included once per Highway target, after
// dispatch.h; a file that defines HWY_WANT_AVX3_DL before that gets VPDPBUSD too.
#if defined(GREMIUM_KERNELS_DOT_BYTES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_DOT_BYTES_INL_H_
#undef GREMIUM_KERNELS_DOT_BYTES_INL_H_
#else
#define GREMIUM_KERNELS_DOT_BYTES_INL_H_
#endif

#include "kernels/quantised/tools-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR

using I8 = hn::ScalableTag<int8_t>;
using I32 = hn::ScalableTag<int32_t>;
using VecI8 = hn::Vec<I8>;
using VecI32 = hn::Vec<I32>;

// sum[l] + Σ a[4l + j]·b[4l + j] over j < 4, where a < 128.
HWY_INLINE VecI32 dot_narrow(VecI32 sum, VecU8 a, VecI8 b) {
#if HWY_TARGET == HWY_AVX3_DL
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
    return sum;
#elif HWY_TARGET == HWY_AVX3
    const auto pairs = _mm512_maddubs_epi16(a.raw, b.raw);
    return hn::Add(sum, VecI32{_mm512_madd_epi16(pairs, _mm512_set1_epi16(1))});
#elif HWY_TARGET == HWY_AVX2
    const auto pairs = _mm256_maddubs_epi16(a.raw, b.raw);
    return hn::Add(sum, VecI32{_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))});
#elif HWY_TARGET == HWY_SSE4
    const auto pairs = _mm_maddubs_epi16(a.raw, b.raw);
    return hn::Add(sum, VecI32{_mm_madd_epi16(pairs, _mm_set1_epi16(1))});
#elif HWY_TARGET == HWY_NEON
    const int8x16_t as = vreinterpretq_s8_u8(a.raw);
#ifdef __ARM_FEATURE_DOTPROD
    return VecI32{vdotq_s32(sum.raw, as, b.raw)};
#else
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(as), vget_low_s8(b.raw)));
    const int32x4_t high = vpaddlq_s16(vmull_high_s8(as, b.raw));
    return hn::Add(sum, VecI32{vpaddq_s32(low, high)});
#endif
#else
    HWY_ALIGN uint8_t as[HWY_MAX_BYTES];
    HWY_ALIGN int8_t bs[HWY_MAX_BYTES];
    HWY_ALIGN int32_t sums[HWY_MAX_BYTES / 4] = {};
    hn::Store(a, U8(), as);
    hn::Store(b, I8(), bs);
    for (size_t i = 0; i < 4 * hn::Lanes(I32()); ++i) sums[i / 4] += as[i] * bs[i];
    return hn::Add(sum, hn::Load(I32(), sums));
#endif
}

// The same, for any a where `wide`. Sums of two products of the eighth bit's would not fit 16 bits.
template <bool wide>
HWY_INLINE VecI32 dot_bytes(VecI32 sum, VecU8 a, VecI8 b) {
    if constexpr (!wide || HWY_TARGET == HWY_AVX3_DL) {
        return dot_narrow(sum, a, b);
    } else {
        const hn::Repartition<uint16_t, U8> d16;
        const auto shifted = hn::BitCast(U8(), hn::ShiftRight<7>(hn::BitCast(d16, a)));
        const auto high = dot_narrow(hn::Zero(I32()), hn::And(shifted, hn::Set(U8(), 1)), b);
        return hn::Add(dot_narrow(sum, hn::And(a, hn::Set(U8(), 127)), b), hn::ShiftLeft<7>(high));
    }
}

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
