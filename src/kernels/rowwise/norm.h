// Norms of rows. Activations may be f32 or bf16: rows are widened to f32, computed in f32 and rounded once; gradients
// `d…` are f32. Rows run in parallel; sums over rows go through fixed chunks, so the number of threads changes nothing.
// T rows, D columns.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace gremium::kernels {

// y = x · rsqrt(mean(x²) + eps) ⊙ w, over the last `group` columns at a time (group = D: the whole row; group =
// head_dim: per-head q/k norm with one w for all heads). w may be empty (no weight). w: f32 [group].
// Zhang, Sennrich: Root Mean Square Layer Normalization (2019).
void rms_norm(Tensor y_TD, TensorView x_TD, TensorView w, float eps, int64_t group);
// dx += ; dw += (dw may be empty). Recomputes the norms from x.
void rms_norm_backward(Tensor dx_TD, Tensor dw, TensorView dy_TD, TensorView x_TD, TensorView w, float eps,
                       int64_t group);

// y = (x − μ) · rsqrt(var + eps) ⊙ w + b, biased variance; w, b may be empty.
void layer_norm(Tensor y_TD, TensorView x_TD, TensorView w, TensorView b, float eps);
void layer_norm_backward(Tensor dx_TD, Tensor dw, Tensor db, TensorView dy_TD, TensorView x_TD, TensorView w,
                         float eps);

}  // namespace gremium::kernels
