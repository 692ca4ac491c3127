// The activation between the two products of a feed-forward. T rows, F columns, f32 or bf16; gradients `d…` are f32.
#pragma once

#include "kernels/kinds.h"
#include "tensor/tensor.h"

namespace gremium::kernels {

// y = act(gate) ⊙ up; the gated kinds take both halves, the plain ones ignore `up` (empty).
// silu(x) = x·σ(x); gelu is the tanh approximation (Hendrycks, Gimpel 2016), gelu_erf the exact form. clamped_swiglu is
// gpt-oss's: with g = min(gate, limit), u = clamp(up, −limit, limit) it is g·σ(alpha·g) · (u + 1). relu_squared is
// max(0, x)², softplus ln(1 + eˣ).
void activate(Tensor y_TF, TensorView gate_TF, TensorView up_TF, const Activation& activation);
// dgate =, dup = (overwritten).
void activate_backward(Tensor dgate_TF, Tensor dup_TF, TensorView dy_TF, TensorView gate_TF, TensorView up_TF,
                       const Activation& activation);

}  // namespace gremium::kernels
