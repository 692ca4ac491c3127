// What the parts of a block share in one forward.
#pragma once

#include <cstdint>
#include <vector>

#include "model/layers/attention/relative_bias.h"
#include "model/layers/attention/rope_table.h"
#include "model/spec/spec.h"
#include "moe/hook.h"
#include "ops/graph.h"

namespace gremium {

class KvCache;
struct Model;
struct NormWeights;

// The rows of one sequence in a batch, and the cache that it continues from (null: none).
struct SequenceRows {
    int64_t row, rows;
    KvCache* cache;
    // Rows of earlier sequences of this batch that continue from the same cache: they come between it and these.
    int64_t ahead = 0;
};

struct LayerRouting {
    int layer = -1;
    std::vector<int64_t> load_E;
    // Null without recording.
    ops::Var balance_loss = nullptr, z_loss = nullptr;
    ops::Var block_input = nullptr;  // [T, D], before any norm: given to the feed-forward, not kept
};

// Lives as long as the tape when recording.
struct BlockContext {
    const Model& model;
    moe::TokenBatch batch;
    std::span<const int32_t> sequence_T;  // the sequence of each token; empty: all are one
    RopeTables rope;
    RelativeBias relative_bias;
    std::vector<moe::HookedRows> hooked;  // the sequences that have a hook
    std::vector<SequenceRows> sequences;  // they cover the batch in order
    int64_t sequence_length;              // of each sequence, if there are no caches
    uint64_t noise_seed;
};

// Shows hooks what is about to be added to the residual stream.
void show(const BlockContext& context, moe::Part part, int layer, ops::Var y_TD);

ops::Var norm(ops::Graph& g, ops::Var x_TD, const NormSpec& spec, const NormWeights& w);

}  // namespace gremium
