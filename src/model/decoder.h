// The one decoder: every architecture, training and running.
#pragma once

#include <span>
#include <vector>

#include "model/kv_cache.h"
#include "model/layers/block.h"
#include "model/model.h"
#include "moe/hook.h"

namespace gremium {

// T tokens of one or more sequences, sequence after sequence. The spans must outlive the tape when recording.
struct Batch {
    std::span<const int32_t> tokens, positions;
    // Of each token; tokens of one are neighbours. Empty: all are sequence 0. With caches: which of them the sequence
    // goes on from, and it gets, bit for bit, what it gets alone. Without: experts that have a capacity count each on
    // its own.
    std::span<const int32_t> sequences;
    // Training and evaluation without caches: sequences of this equal length from position 0 (T is a multiple).
    int64_t sequence_length = 0;
};

struct ForwardOptions {
    // Of one context each; null where the batch has no such sequence. Empty: the batch's tokens see only each other.
    std::span<KvCache* const> caches = {};
    // Of one sequence each, null where it has none: each is told of its own sequence's tokens and steers these alone.
    // Without caches the first is that of all tokens.
    std::span<moe::RoutingHook* const> hooks = {};
    // Keeps only the blocks' inputs and computes each block again in the backward (only when recording). Hooks are then
    // called twice.
    bool recompute = false;
    uint64_t noise_seed = 0;  // of routers that draw second choices
};

struct Forward {
    ops::Var hidden_TD;  // after the final norm, divided by the logits' divisor: what the head multiplies
    std::vector<LayerRouting> routing;  // of each MoE layer, in order
};

// Of graphs that only run a model: what values between products are stored in follows from the type of these. A rounded
// type (q8_0) is that of operands alone.
ops::Graph::Options running_options(DType compute);

// Embedding, blocks (norm, mixer, residual, norm, feed-forward, residual), final norm.
Forward forward(ops::Graph& g, const Model& model, const Batch& batch, const ForwardOptions& options = {});

// logits of the given rows of hidden (f32 [rows, V]).
ops::Var logits(ops::Graph& g, const Model& model, ops::Var hidden_TD, std::span<const int32_t> rows);

}  // namespace gremium
