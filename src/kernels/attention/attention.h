// Grouped-query attention over a batch of independent sequences. Blocked with running softmax sums (Dao et al.:
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
    int64_t chunk = 0;   // C: iff both lie in the same stretch of C positions; not together with a window
    // [heads]: each joins its head's softmax as one more score, unscaled and without a value (attention sinks:
    // Xiao et al. 2023, learnt ones as in gpt-oss). Null: none.
    const float* sinks = nullptr;
    bool causal = true;  // false: every query sees all keys of its span; not together with a window or a chunk
    // Added to the scaled score of head h for query q and key k: bias[h · bias_stride + bias_zero + k − q]. There must be
    // values for all distances, and for 64 beyond the largest. Null: none.
    const float* bias = nullptr;
    int64_t bias_stride = 0, bias_zero = 0;
    // Of products, in the forward: bf16 rounds queries, keys, weights and values where there is arithmetic for that and
    // rows enough to gain by it; sums and the softmax are f32. The reference rounds nothing.
    DType compute = DType::f32;
    int64_t exact_keys = 0;  // a span of fewer keys than this rounds nothing whatever `compute` says
};

// One sequence: `queries` rows of q starting at q_row of the batch tensors; its keys and values are `keys` rows of k, v.
// Query i of the sequence sits at key position first + i (causal: sees keys 0..first+i), so prefill in chunks and
// decode pass keys = first + queries rows of their cache.
struct AttentionSpan {
    int64_t q_row, queries, first;
    // [keys, kv_heads·head_dim], [keys, kv_heads·value_dim]; f32, bf16 or f16 rows, or q8_0 where both dims are multiples
    // of 32. Without v the values are the first value_dim numbers of each key (latent attention: DeepSeek-V2 2024).
    TensorView k, v;
};

// out [Tq, heads·value_dim] f32 or bf16; q [Tq, heads·head_dim]. lse (may be empty): f32 [Tq, heads] logsumexps of the
// scaled scores and the sink, kept for the backward. The result of a query depends only on its own keys (not on how queries are chunked
// beyond f32 rounding).
void attention(Tensor out, Tensor lse, TensorView q, std::span<const AttentionSpan> spans, const AttentionShape& shape);

// Gradients for spans with first = 0 whose k, v are rows [q_row, q_row + queries) of kv tensors of the same batch:
// dq, dk, dv are overwritten (f32); v and dv are empty where the spans have no v. Recomputes the probabilities from lse.
void attention_backward(Tensor dq, Tensor dk, Tensor dv, TensorView dout, TensorView out, TensorView lse, TensorView q,
                        TensorView k, TensorView v, int64_t sequence_length, const AttentionShape& shape);

// dsinks[h] += Σ_t of −p · ⟨dout, out⟩ of the head, where p = exp(sink − lse) is the share the sink took.
void attention_sinks_backward(Tensor dsinks, TensorView dout, TensorView out, TensorView lse,
                              const AttentionShape& shape);

}  // namespace gremium::kernels
