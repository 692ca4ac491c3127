// Loops over f32 arrays of any length, and the functions of a vector that such loops need. Included once per Highway
// target, after dispatch.h.
#if defined(GREMIUM_KERNELS_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_VECTORS_INL_H_
#undef GREMIUM_KERNELS_VECTORS_INL_H_
#else
#define GREMIUM_KERNELS_VECTORS_INL_H_
#endif

#include "kernels/simd/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

// The lanes of one step of a loop: all, or the first n at the end of an array. Loads fill the others with `rest`; what
// is not a plain load must be kept out of sums by keep().
struct AllLanes {
    HWY_INLINE VecF load(const float* p, float /*rest*/ = 0) const { return hn::LoadU(F32(), p); }
    HWY_INLINE void store(VecF v, float* p) const { hn::StoreU(v, F32(), p); }
    HWY_INLINE VecF keep(VecF v) const { return v; }
};

// Highway's masked loads and stores touch the other lanes' memory on some targets, and it may be another thread's.
struct FirstLanes {
    size_t n;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
    HWY_INLINE VecF load(const float* p, float rest = 0) const {
        const F32 d;
        return hn::IfThenElse(hn::FirstN(d, n), hn::MaskedLoad(hn::FirstN(d, n), d, p), hn::Set(d, rest));
    }
    HWY_INLINE void store(VecF v, float* p) const { hn::BlendedStore(v, hn::FirstN(F32(), n), F32(), p); }
#else
    HWY_INLINE VecF load(const float* p, float rest = 0) const {
        HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)];
        hn::Store(hn::Set(F32(), rest), F32(), lanes);
        std::copy_n(p, n, lanes);
        return hn::Load(F32(), lanes);
    }
    HWY_INLINE void store(VecF v, float* p) const {
        HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)];
        hn::Store(v, F32(), lanes);
        std::copy_n(lanes, n, p);
    }
#endif
    HWY_INLINE VecF keep(VecF v) const { return hn::IfThenElseZero(hn::FirstN(F32(), n), v); }
};

// step(i, lanes) for each vector of the n elements.
template <typename Step>
HWY_INLINE void for_vectors(int64_t n, Step&& step) {
    const int64_t width = static_cast<int64_t>(hn::Lanes(F32()));
    int64_t i = 0;
    for (; i + width <= n; i += width) step(i, AllLanes());
    if (i < n) step(i, FirstLanes{static_cast<size_t>(n - i)});
}

HWY_INLINE float sum_of_lanes(VecF v) { return hn::GetLane(hn::SumOfLanes(F32(), v)); }
HWY_INLINE float max_of_lanes(VecF v) { return hn::GetLane(hn::MaxOfLanes(F32(), v)); }

// e^x within 2 ulp: 2^q·e^r with |r| <= ln(2)/2. 0 below −87; stays finite; NaN for NaN. Coefficients: Highway's.
HWY_INLINE VecF exp(VecF x) {
    const F32 d;
    const VecF most = hn::Set(d, 88.7228f);
    x = hn::IfThenElse(hn::Gt(x, most), most, x);  // Min would lose a NaN on some targets
    // Adding 1.5·2²³ rounds to an integer, which the lowest bits of the sum then hold.
    const VecF shift = hn::Set(d, 12582912.f);
    const VecF shifted = hn::MulAdd(x, hn::Set(d, 1.44269504088896341f), shift);
    const VecF q = hn::Sub(shifted, shift);
    VecF r = hn::NegMulAdd(q, hn::Set(d, 0.693145751953125f), x);
    r = hn::NegMulAdd(q, hn::Set(d, 1.428606765330187045e-6f), r);
    VecF p = hn::Set(d, 0.000198527617612853646278381f);
    p = hn::MulAdd(p, r, hn::Set(d, 0.00139304355252534151077271f));
    p = hn::MulAdd(p, r, hn::Set(d, 0.00833336077630519866943359f));
    p = hn::MulAdd(p, r, hn::Set(d, 0.0416664853692054748535156f));
    p = hn::MulAdd(p, r, hn::Set(d, 0.166666671633720397949219f));
    p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
    p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(d, 1.f));
    const hn::Rebind<int32_t, F32> di;
    const VecF scaled = hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
    return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.f)), scaled);
}

HWY_INLINE VecF sigmoid(VecF x) {
    const F32 d;
    const VecF one = hn::Set(d, 1.f);
    return hn::Div(one, hn::Add(one, exp(hn::Neg(x))));
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
