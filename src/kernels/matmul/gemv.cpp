#include "kernels/matmul/gemv.h"

#include <string>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/gemv.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

std::string_view gemv_name() {
    static const std::string name = std::string(hwy::TargetName(HWY_TARGET)) + " gemv";
    return name;
}

void gemv_inputs(float* x, int64_t stride, const Product& product, bool round) {
    const F32 d;
    for (int64_t i = 0; i < product.m; ++i, x += stride) {
        visit_float_row(product.a.dtype, product.a.row(i), product.k,
                        [&](int64_t k, VecF v) { hn::StoreU(round ? round_to_bf16(v) : v, d, x + k); });
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(gemv_name);
HWY_EXPORT(gemv_inputs);

std::string_view gemv_name() { return HWY_DYNAMIC_DISPATCH(gemv_name)(); }

void gemv_inputs(float* x, int64_t stride, const Product& product, bool round) {
    HWY_DYNAMIC_DISPATCH(gemv_inputs)(x, stride, product, round);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
