#include "kernels/matmul/gemv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/gemv_f32.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/matmul/gemv-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

GemvDots f32_dots() { return dots<DType::f32>; }

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(f32_dots);
GemvDots gemv_dots_f32() { return HWY_DYNAMIC_DISPATCH(f32_dots)(); }

}  // namespace gremium::kernels
#endif  // HWY_ONCE
