// Conversion of rows between f32 and every element type. Layouts: GGUF's block formats (see docs of ggml).
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace gremium {

// Reads n elements (a multiple of the type's block) of any dtype but i32 into out. Exact.
void dequantise_row(DType dtype, const std::byte* in, float* out, int64_t n);

// Rounds n floats into the dtype: nearest even for f16 and bf16; the reference quantisers of ggml for blocks.
void quantise_row(DType dtype, const float* in, std::byte* out, int64_t n);

// Whole tensors, row by row in parallel. Shapes must agree; a quantised type needs cols() % block == 0.
std::vector<float> to_floats(TensorView in);
void convert(TensorView in, Tensor out);

inline float bf16_to_f32(uint16_t v) { return std::bit_cast<float>(static_cast<uint32_t>(v) << 16); }
inline uint16_t f32_to_bf16(float v) {
    const uint32_t bits = std::bit_cast<uint32_t>(v);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((bits >> 16) | 64u);  // quiet NaN
    return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}
float f16_to_f32(uint16_t v);
uint16_t f32_to_f16(float v);

}  // namespace gremium
