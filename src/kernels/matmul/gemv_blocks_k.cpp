#include "kernels/matmul/gemv.h"

#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/gemv_blocks_k.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/matmul/gemv_quantised-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

QuantisedDots dots_of_blocks_k(DType type, bool fine) {
    switch (type) {
        case DType::q2_k:
            return dots_of_type<DType::q2_k>(fine);
        case DType::q3_k:
            return dots_of_type<DType::q3_k>(fine);
        case DType::q4_k:
            return dots_of_type<DType::q4_k>(fine);
        case DType::q5_k:
            return dots_of_type<DType::q5_k>(fine);
        case DType::q6_k:
            return dots_of_type<DType::q6_k>(fine);
        case DType::iq4_xs:
            return dots_of_type<DType::iq4_xs>(fine);
        default:
            return {};
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(dots_of_blocks_k);
QuantisedDots gemv_dots_of_blocks_k(DType type, bool fine) {
    return HWY_DYNAMIC_DISPATCH(dots_of_blocks_k)(type, fine);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
