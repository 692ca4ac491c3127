// How attention is cut into tasks and blocks. A task takes queries of one sequence with all heads that share one
// key/value head; row r of a task is query r / group, head r % group, so a group of heads is only more rows.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "kernels/attention/shape.h"
#include "tensor/arena.h"

namespace gremium::kernels {

constexpr int64_t key_block = 64, row_block = 48;  // a block of scores stays in the first-level cache
constexpr int64_t key_split = 1024;                // decoding: keys a task
constexpr int64_t few_rows = 16;                   // up to here a transposed key block would not pay

inline void check(const AttentionShape& shape) {
    if (shape.kv_heads < 1 || shape.heads < 1 || shape.heads % shape.kv_heads != 0) {
        fail("attention: {} heads cannot share {} key/value heads", shape.heads, shape.kv_heads);
    }
    if (shape.window > 0 && shape.chunk > 0) fail("attention: a window and a chunk at once");
    if (!shape.causal && (shape.window > 0 || shape.chunk > 0))
        fail("attention: a window or a chunk where all keys are seen");
}

struct KeyRange {
    int64_t begin, end;
};

// The keys that the query at this position sees, of those there are.
inline KeyRange visible_keys(int64_t position, const AttentionShape& shape) {
    if (!shape.causal) return {0, INT64_MAX};
    if (shape.chunk > 0) return {position / shape.chunk * shape.chunk, position + 1};
    return {shape.window > 0 ? std::max<int64_t>(0, position - shape.window + 1) : 0, position + 1};
}

// The first position that sees the key.
inline int64_t seen_from(int64_t key, const AttentionShape& shape) { return shape.causal ? key : 0; }

// The first position behind `key` that does not see it any more.
inline int64_t forgotten_at(int64_t key, const AttentionShape& shape) {
    if (shape.chunk > 0) return (key / shape.chunk + 1) * shape.chunk;
    return shape.window > 0 ? key + shape.window : INT64_MAX;
}

// The visible keys in a block of n keys from `first` on, relative to the block. May be empty.
inline KeyRange visible_in_block(int64_t position, const AttentionShape& shape, int64_t first, int64_t n) {
    const KeyRange keys = visible_keys(position, shape);
    const int64_t end = std::clamp<int64_t>(keys.end - first, 0, n);
    return {std::clamp<int64_t>(keys.begin - first, 0, end), end};
}

// How many keys the first `queries` queries of a span see together.
inline int64_t keys_of(const AttentionSpan& span, int64_t queries, const AttentionShape& shape) {
    return shape.causal ? span.first + queries : span.k.rows();
}

// The biases of head h for the query at this position: of key j at [j].
inline const float* biases(const AttentionShape& shape, int64_t head, int64_t position) {
    return shape.bias + head * shape.bias_stride + shape.bias_zero - position;
}

struct AttentionTask {
    const AttentionSpan* span;
    int64_t kv_head, query, queries;
    KeyRange keys;  // of these only
    bool few;       // the same for all tasks of a span
    Tensor out, lse;
    int64_t out_row;     // of the span's first query
    const float* sinks;  // null also when parts are merged: the sink then joins there
};

// One task that is `few`; and one that is not, with products of bf16 numbers by this leaf.
void attend_few(const AttentionTask& task, TensorView q, const AttentionShape& shape);
struct Leaf;
void attend_bf16(const AttentionTask& task, TensorView q, const AttentionShape& shape, const Leaf& leaf);

// Each thread's own.
inline Arena& attention_scratch() {
    static thread_local Arena arena;
    return arena;
}

}  // namespace gremium::kernels
