// Causal grouped-query attention over a batch of independent sequences. Blocked with running softmax sums (Dao et al.:
// FlashAttention, 2022): memory is linear in the context. f32 accumulation.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace gremium::kernels {

struct AttentionShape {
    int64_t heads, kv_heads, head_dim, value_dim;
    float scale;         // usually 1/√head_dim
    int64_t window = 0;  // 0: all earlier positions; W: key k is seen by query q iff q − k < W
};

// One sequence: `queries` rows of q starting at q_row of the batch tensors; its keys and values are `keys` rows of k, v.
// Query i of the sequence sits at key position first + i (causal: sees keys 0..first+i), so prefill in chunks and
// decode pass keys = first + queries rows of their cache.
struct AttentionSpan {
    int64_t q_row, queries, first;
    TensorView k, v;  // [keys, kv_heads·head_dim], [keys, kv_heads·value_dim]; f32, bf16 or f16 rows
};

// out [Tq, heads·value_dim] f32 or bf16; q [Tq, heads·head_dim]. lse (may be empty): f32 [Tq, heads] logsumexps of the
// scaled scores, kept for the backward. The result of a query depends only on its own keys (not on how queries are chunked
// beyond f32 rounding).
void attention(Tensor out, Tensor lse, TensorView q, std::span<const AttentionSpan> spans,
               const AttentionShape& shape);

// Gradients for spans with first = 0 whose k, v are rows [q_row, q_row + queries) of kv tensors of the same batch:
// dq, dk, dv are overwritten (f32). Recomputes the probabilities from lse.
void attention_backward(Tensor dq, Tensor dk, Tensor dv, TensorView dout, TensorView out, TensorView lse,
                        TensorView q, TensorView k, TensorView v, int64_t sequence_length,
                        const AttentionShape& shape);

}  // namespace gremium::kernels
