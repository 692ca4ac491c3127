#include "kernels/gemv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemv_q8_0.cpp"
#include "kernels/dispatch.h"
#include "kernels/gemv-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

GemvDots q8_0_dots() { return dots<DType::q8_0, false>; }

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(q8_0_dots);
GemvDots gemv_dots_q8_0() { return HWY_DYNAMIC_DISPATCH(q8_0_dots)(); }

}  // namespace gremium::kernels
#endif  // HWY_ONCE
