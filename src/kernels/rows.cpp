#include "kernels/rows.h"

#include <cstring>

#include "tensor/blocks.h"

namespace gremium::kernels {

void load_row(DType dtype, const std::byte* in, float* out, int64_t n) { dequantise_row(dtype, in, out, n); }

void store_row(DType dtype, const float* in, std::byte* out, int64_t n) { quantise_row(dtype, in, out, n); }

}  // namespace gremium::kernels
