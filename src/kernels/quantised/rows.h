// Rows of weights of any type as f32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace gremium::kernels {

// The first n weights of a row, whole blocks of them, to f32 (exact). Any dtype but i32.
void load_weights(DType type, const std::byte* row, float* out, int64_t n);

}  // namespace gremium::kernels
