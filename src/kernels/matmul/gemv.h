// The dot products of gemm.h for each element type of weights, every one in a file of its own.
#pragma once

#include "kernels/matmul/gemm.h"

namespace gremium::kernels {

GemvDots gemv_dots_f32(bool round);
GemvDots gemv_dots_f16(bool round);
GemvDots gemv_dots_bf16();
GemvDots gemv_dots_unpacked();  // any type, through f32 in memory

}  // namespace gremium::kernels
