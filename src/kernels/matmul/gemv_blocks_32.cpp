#include "kernels/matmul/gemv.h"

#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/gemv_blocks_32.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/matmul/gemv_quantised-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

QuantisedDots dots_of_blocks_32(DType type, bool fine) {
    switch (type) {
        case DType::q8_0:
            return dots_of_type<DType::q8_0>(fine);
        case DType::q4_0:
            return dots_of_type<DType::q4_0>(fine);
        case DType::q4_1:
            return dots_of_type<DType::q4_1>(fine);
        case DType::q5_0:
            return dots_of_type<DType::q5_0>(fine);
        case DType::q5_1:
            return dots_of_type<DType::q5_1>(fine);
        case DType::iq4_nl:
            return dots_of_type<DType::iq4_nl>(fine);
        case DType::mxfp4:
            return dots_of_type<DType::mxfp4>(fine);
        default:
            return {};
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(dots_of_blocks_32);
QuantisedDots gemv_dots_of_blocks_32(DType type, bool fine) {
    return HWY_DYNAMIC_DISPATCH(dots_of_blocks_32)(type, fine);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
