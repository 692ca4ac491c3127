// The softmax of rows, and the loss that ends with one. Activations may be f32 or bf16: rows are widened to f32,
// computed in f32 and rounded once; gradients `d…` are f32. T rows, D columns, V entries of the vocabulary.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace gremium::kernels {

void softmax(Tensor y_TD, TensorView x_TD);
// dx +=
void softmax_backward(Tensor dx_TD, TensorView dy_TD, TensorView y_TD);

// loss[t] = logsumexp(logits[t]) − logits[t][target[t]] for target >= 0, else 0. logits f32, destroyed: replaced by
// (softmax − onehot) · scale, the gradient. logsumexp_T receives the logsumexps (may be empty).
void cross_entropy(std::span<float> loss_T, std::span<float> logsumexp_T, Tensor logits_TV,
                   std::span<const int32_t> targets, float scale);

}  // namespace gremium::kernels
