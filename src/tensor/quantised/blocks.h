// Conversion of rows between f32 and every element type. The layouts are those of GGUF's block formats.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/float_formats.h"
#include "tensor/tensor.h"

namespace gremium {

// Converts n elements (a multiple of the type's block) of any dtype but i32 to f32, exactly.
void dequantise_row(DType dtype, const std::byte* in, float* out, int64_t n);

// Rounds n floats to the dtype: to nearest for f16, bf16 and f8_e4m3. Blocks get scales that make the squared error
// small; `importance` (n numbers >= 0, or none) weights the squares. Without importance, types with blocks of 32 except
// iq4_nl give the same bits as ggml's reference quantisers.
void quantise_row(DType dtype, const float* in, std::byte* out, int64_t n, std::span<const float> importance = {});

// Whole tensors, row by row in parallel. Shapes must agree; a quantised type needs cols() % block == 0. `importance`
// has one number per column.
std::vector<float> to_floats(TensorView in);
void convert(TensorView in, Tensor out, std::span<const float> importance = {});

}  // namespace gremium
