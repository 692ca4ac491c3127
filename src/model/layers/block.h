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

// One sequence's part of a batch, and what it goes on from (null: nothing).
struct SequenceRows {
    int64_t row, rows;
    KvCache* cache;
};

struct LayerRouting {
    int layer = -1;
    std::vector<int64_t> load_E;
    ops::Var balance_loss = nullptr, z_loss = nullptr;  // null without recording
};

// Lives as long as the tape when recording.
struct BlockContext {
    const Model& model;
    moe::TokenBatch batch;
    std::span<const int32_t> sequence_T;  // of each token; empty: all are one
    RopeTables rope;
    RelativeBias relative_bias;
    std::vector<moe::HookedRows> hooked;  // sequences that have a hook
    std::vector<SequenceRows> sequences;  // covering the batch in order
    int64_t sequence_length;              // without caches: of each sequence
    uint64_t noise_seed;
};

// Tells hooks what is about to be added to the residual stream.
void show(const BlockContext& context, moe::Part part, int layer, ops::Var y_TD);

ops::Var norm(ops::Graph& g, ops::Var x_TD, const NormSpec& spec, const NormWeights& w);

}  // namespace gremium
