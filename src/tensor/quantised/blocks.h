// Conversion of rows between f32 and every element type. Layouts: GGUF's block formats (see docs of ggml).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/float_formats.h"
#include "tensor/tensor.h"

namespace gremium {

// Reads n elements (a multiple of the type's block) of any dtype but i32 into out. Exact.
void dequantise_row(DType dtype, const std::byte* in, float* out, int64_t n);

// Rounds n floats into the dtype: to the nearest for f16, bf16 and f8_e4m3. Blocks get the scales that make the squared
// error small; `importance` (n numbers >= 0, or none) weighs the squares. Without it the types of 32 weights but iq4_nl
// are ggml's reference quantisers, bit for bit.
void quantise_row(DType dtype, const float* in, std::byte* out, int64_t n, std::span<const float> importance = {});

// Whole tensors, row by row in parallel. Shapes must agree; a quantised type needs cols() % block == 0. Importance is
// one number a column.
std::vector<float> to_floats(TensorView in);
void convert(TensorView in, Tensor out, std::span<const float> importance = {});

}  // namespace gremium
