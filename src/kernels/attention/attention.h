// Grouped-query attention over a batch of independent sequences. Blocked with running softmax sums (Dao et al.:
// FlashAttention, 2022): memory is linear in the context. f32 accumulation.
#pragma once

#include <span>

#include "kernels/attention/shape.h"
#include "tensor/tensor.h"

namespace gremium::kernels {

// out [Tq, heads·value_dim] f32 or bf16; q [Tq, heads·head_dim]. lse (may be empty): f32 [Tq, heads] logsumexps of the
// scaled scores and the sink, kept for the backward. The result of a query depends only on its own keys (not on how
// queries are chunked beyond f32 rounding).
void attention(Tensor out, Tensor lse, TensorView q, std::span<const AttentionSpan> spans, const AttentionShape& shape);

// Recomputes the probabilities from lse.
void attention_backward(const AttentionGradients& gradients);

// dsinks[h] += Σ_t of −p · ⟨dout, out⟩ of the head, where p = exp(sink − lse) is the share the sink took.
void attention_sinks_backward(Tensor dsinks, TensorView dout, TensorView out, TensorView lse,
                              const AttentionShape& shape);

}  // namespace gremium::kernels
