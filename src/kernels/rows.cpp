#include "kernels/rows.h"

#include "tensor/blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rows.cpp"
#include "kernels/dispatch.h"
#include "kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

void load_row(DType dtype, const std::byte* in, float* out, int64_t n) {
    const int64_t width = static_cast<int64_t>(hn::Lanes(F32()));
    visit_row(dtype, in, n, [&](int64_t i, VecF v) HWY_ATTR {
        if (i + width <= n) {
            AllLanes().store(v, out + i);
        } else if (i < n) {
            FirstLanes{static_cast<size_t>(n - i)}.store(v, out + i);
        }
    });
}

void store_bf16_row(const float* in, uint16_t* out, int64_t n) {
    const int64_t width = static_cast<int64_t>(hn::Lanes(F32()));
    int64_t i = 0;
    for (; i + width <= n; i += width) store_bf16(hn::LoadU(F32(), in + i), out + i);
    for (; i < n; ++i) out[i] = f32_to_bf16(in[i]);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(load_row);
HWY_EXPORT(store_bf16_row);

void load_row(DType dtype, const std::byte* in, float* out, int64_t n) {
    if (active() == Variant::reference) return dequantise_row(dtype, in, out, n);
    HWY_DYNAMIC_DISPATCH(load_row)(dtype, in, out, n);
}

void store_row(DType dtype, const float* in, std::byte* out, int64_t n) {
    if (active() == Variant::reference || dtype != DType::bf16) return quantise_row(dtype, in, out, n);
    HWY_DYNAMIC_DISPATCH(store_bf16_row)(in, reinterpret_cast<uint16_t*>(out), n);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
