// Kernels that work row by row. Every activation tensor may be f32 or bf16 (rows are widened to f32, computed in f32,
// rounded once); gradients `d…` are f32 and, where noted, accumulated. Rows run in parallel; sums over rows go through
// fixed chunks, so the number of threads changes nothing. T rows, D columns.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kinds.h"
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

void softmax(Tensor y_TD, TensorView x_TD);
void softmax_backward(Tensor dx_TD, TensorView dy_TD, TensorView y_TD);  // dx +=

// y = act(gate) ⊙ up; the gated kinds take both halves, the plain ones ignore `up` (empty).
// silu(x) = x·σ(x); gelu is the tanh approximation (Hendrycks, Gimpel 2016), gelu_erf the exact form. clamped_swiglu is
// gpt-oss's: with g = min(gate, limit), u = clamp(up, −limit, limit) it is g·σ(alpha·g) · (u + 1).
void activate(Tensor y_TF, TensorView gate_TF, TensorView up_TF, Activation kind);
// dgate =, dup = (overwritten).
void activate_backward(Tensor dgate_TF, Tensor dup_TF, TensorView dy_TF, TensorView gate_TF, TensorView up_TF,
                       Activation kind);

// Rotates pairs of the first n_rot columns of each head in place. x: [T, H·head_dim]. cos_sin: f32 [positions, n_rot]
// holding for each position n_rot/2 cosines, then n_rot/2 sines; positions[t] selects the row.
// interleaved pairs (x[2i], x[2i+1]); half_split pairs (x[i], x[i+n_rot/2]). `inverse` rotates back (the backward).
// Su et al.: RoFormer (2021).
void rope(Tensor x_THd, TensorView cos_sin, std::span<const int32_t> positions, int64_t head_dim, int64_t n_rot,
          RopePairing pairing, bool inverse = false);

// y[t] = table[ids[t]] (any weight dtype) as f32/bf16; backward: dtable[ids[t]] += dy[t] in token order.
void embedding(Tensor y_TD, TensorView table_VD, std::span<const int32_t> ids);
void embedding_backward(Tensor dtable_VD, TensorView dy_TD, std::span<const int32_t> ids);

// y = a·x + y·b elementwise (f32 or bf16 mix); the workhorse of residual sums and gradient accumulation.
void axpby(Tensor y, TensorView x, float a = 1, float b = 1);
void add_bias(Tensor y_TD, TensorView bias_D);    // y[t] += bias
void sum_rows(Tensor dbias_D, TensorView dy_TD);  // dbias += Σ_t dy[t], fixed order

// loss[t] = logsumexp(logits[t]) − logits[t][target[t]] for target >= 0, else 0. logits f32, destroyed: replaced by
// (softmax − onehot) · scale, the gradient. logsumexp_T receives the logsumexps (may be empty).
void cross_entropy(std::span<float> loss_T, std::span<float> logsumexp_T, Tensor logits_TV,
                   std::span<const int32_t> targets, float scale);

// Σ x² in double with a fixed order.
double sum_of_squares(TensorView x);

// AdamW with decoupled decay (Loshchilov, Hutter 2019) on one tensor in one pass: m, v, w f32; g f32 scaled by
// grad_scale first. correction_m = 1 − beta1^t, correction_v = 1 − beta2^t. shadow (may be empty): bf16 copy of w.
struct AdamW {
    float lr, beta1 = 0.9f, beta2 = 0.95f, eps = 1e-8f, decay = 0, grad_scale = 1, correction_m = 1, correction_v = 1;
};
void adamw(Tensor w, Tensor m, Tensor v, TensorView g, Tensor shadow_bf16, const AdamW& options);

}  // namespace gremium::kernels
