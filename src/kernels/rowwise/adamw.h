// The step of the optimiser.
#pragma once

#include "tensor/tensor.h"

namespace gremium::kernels {

// AdamW with decoupled decay (Loshchilov, Hutter 2019) on one tensor in one pass: m, v, w f32; g f32 scaled by
// grad_scale first. correction_m = 1 − beta1^t, correction_v = 1 − beta2^t. shadow (may be empty): bf16 copy of w.
struct AdamW {
    float lr, beta1 = 0.9f, beta2 = 0.95f, eps = 1e-8f, decay = 0, grad_scale = 1, correction_m = 1, correction_v = 1;
};
void adamw(Tensor w, Tensor m, Tensor v, TensorView g, Tensor shadow_bf16, const AdamW& options);

}  // namespace gremium::kernels
