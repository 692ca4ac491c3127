// What attention is told beside its queries: which keys they see, and where those lie.
#pragma once

#include <cstdint>

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
    // Added to the scaled score of head h for query q and key k: bias[h · bias_stride + bias_zero + k − q]. There must
    // be values for all distances, and for 64 beyond the largest. Null: none.
    const float* bias = nullptr;
    int64_t bias_stride = 0, bias_zero = 0;
    // Of products, in the forward: bf16 rounds queries, keys, weights and values where there is arithmetic for that and
    // rows enough to gain by it; sums and the softmax are f32. The reference rounds nothing.
    DType compute = DType::f32;
    // c > 0: a score s becomes c·tanh(s / c), after scale and bias (Grok). There is no backward.
    float softcap = 0;
    int64_t exact_keys = 0;  // a span of fewer keys than this rounds nothing whatever `compute` says
};

// One sequence: `queries` rows of q starting at q_row of the batch tensors; its keys and values are `keys` rows of k,
// v. Query i of the sequence sits at key position first + i (causal: sees keys 0..first+i), so prefill in chunks and
// decode pass keys = first + queries rows of their cache.
struct AttentionSpan {
    int64_t q_row, queries, first;
    // [keys, kv_heads·head_dim], [keys, kv_heads·value_dim]; f32, bf16 or f16 rows, or q8_0 where both dims are
    // multiples of 32. Without v the values are the first value_dim numbers of each key (latent attention: DeepSeek-V2
    // 2024).
    TensorView k, v;
};

// What the backward reads and writes, for spans with first = 0 whose keys and values are rows [q_row, q_row + queries)
// of tensors of the same batch: the forward's q, k, v, out and lse, and dout; dq, dk, dv are overwritten (f32). v and
// dv are empty where the spans have no v.
struct AttentionGradients {
    Tensor dq, dk, dv;
    TensorView dout, out, lse, q, k, v;
    int64_t sequence_length;
    AttentionShape shape;
};

}  // namespace gremium::kernels
