#include "kernels/matmul/gemv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/gemv_f16.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/matmul/gemv-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

GemvDots f16_dots() { return dots<DType::f16>; }

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(f16_dots);
GemvDots gemv_dots_f16() { return HWY_DYNAMIC_DISPATCH(f16_dots)(); }

}  // namespace gremium::kernels
#endif  // HWY_ONCE
