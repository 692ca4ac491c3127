// The parts of a decoder block. Each takes the normed input [T, D] and gives what is added to the residual
// stream.
#pragma once

#include "model/decoder.h"
#include "model/layers/attention/relative_bias.h"
#include "model/layers/attention/rope_table.h"

namespace gremium {

// One sequence's part of a batch, and what it goes on from (null: nothing).
struct SequenceRows {
    int64_t row, rows;
    KvCache* cache;
};

// What all blocks of one forward share. Lives as long as the tape when recording.
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

ops::Var attention_layer(ops::Graph& g, ops::Var x_TD, int layer, const BlockContext& context);

// Attention over the source that the cache remembers.
ops::Var cross_attention_layer(ops::Graph& g, ops::Var x_TD, int layer, const BlockContext& context);
// Lets the cache remember the keys and values of what the encoder made of a source, for all layers.
void remember_source(ops::Graph& g, ops::Var source_SD, const Model& model, KvCache& cache);

ops::Var ssm_layer(ops::Graph& g, ops::Var x_TD, int layer, const BlockContext& context);

// `routing` is filled for a mixture.
ops::Var feed_forward(ops::Graph& g, ops::Var x_TD, int layer, const BlockContext& context, LayerRouting& routing);

}  // namespace gremium
