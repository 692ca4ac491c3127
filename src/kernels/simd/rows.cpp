#include "kernels/simd/rows.h"

#include "tensor/quantised/blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/rows.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

template <DType type>
void load_float_row(const std::byte* in, float* out, int64_t n) {
    constexpr int64_t size = type == DType::f32 ? 4 : 2;
    const int64_t width = static_cast<int64_t>(hn::Lanes(F32()));
    int64_t i = 0;
    for (; i + width <= n; i += width) hn::StoreU(load_floats<type>(in + i * size), F32(), out + i);
    if (i >= n) return;
    std::byte tail[HWY_MAX_BYTES] = {};
    std::memcpy(tail, in + i * size, static_cast<size_t>((n - i) * size));
    FirstLanes{static_cast<size_t>(n - i)}.store(load_floats<type>(tail), out + i);
}

void load_row(DType dtype, const std::byte* in, float* out, int64_t n) {
    switch (dtype) {
        case DType::f32:
            return load_float_row<DType::f32>(in, out, n);
        case DType::f16:
            return load_float_row<DType::f16>(in, out, n);
        case DType::bf16:
            return load_float_row<DType::bf16>(in, out, n);
        default:
            return dequantise_row(dtype, in, out, n);
    }
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
