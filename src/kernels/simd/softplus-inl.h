// ln(1 + eˣ) of a vector; apart from vectors-inl.h because Highway's mathematics take long to compile.
#if defined(GREMIUM_KERNELS_SOFTPLUS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_SOFTPLUS_INL_H_
#undef GREMIUM_KERNELS_SOFTPLUS_INL_H_
#else
#define GREMIUM_KERNELS_SOFTPLUS_INL_H_
#endif

#include "kernels/simd/vectors-inl.h"

#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

HWY_INLINE VecF softplus(VecF x) {
    return hn::Add(hn::Max(x, hn::Zero(F32())), hn::Log1p(F32(), exp(hn::Neg(hn::Abs(x)))));
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
