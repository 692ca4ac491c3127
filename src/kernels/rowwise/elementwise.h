// Sums of tensors, f32 or bf16. Sums over rows go through fixed chunks, so the number of threads changes nothing.
#pragma once

#include "tensor/tensor.h"

namespace gremium::kernels {

// y = a·x + y·b elementwise (f32 or bf16 mix); the workhorse of residual sums and gradient accumulation.
void axpby(Tensor y, TensorView x, float a = 1, float b = 1);
// y[t] += bias
void add_bias(Tensor y_TD, TensorView bias_D);
// dbias += Σ_t dy[t], in a fixed order
void sum_rows(Tensor dbias_D, TensorView dy_TD);

// Σ x² in double with a fixed order.
double sum_of_squares(TensorView x);

}  // namespace gremium::kernels
