// The weights of a model outside its experts, by layer. Which tensor is which member is listed where kinds of layer
// describe themselves (spec/tensors.h).
#pragma once

#include <variant>
#include <vector>

#include "model/layers/kinds.h"
#include "ops/weight.h"

namespace gremium {

struct NormWeights {
    ops::Weight weight, bias;  // [D]
};

struct LayerWeights {
    NormWeights mixer_norm;
    MixerWeights mixer;
    // Of the decoder of an encoder–decoder model.
    NormWeights cross_norm;
    AttentionWeights cross;
    NormWeights feed_forward_norm;
    // Of what they give, where the block has norms behind its parts.
    NormWeights mixer_post_norm, feed_forward_post_norm;
    // Of a block with a dense branch.
    NormWeights branch_norm;
    DenseWeights branch;
    FeedForwardWeights feed_forward;

    // Of a layer that has attention, or a mixture.
    const AttentionWeights& attention() const { return std::get<AttentionWeights>(mixer); }
    const MoeWeights& moe() const { return std::get<MoeWeights>(feed_forward); }
};

// D: the model's width, V tokens.
struct ModelWeights {
    ops::Weight embedding;      // [V, D]
    ops::Weight head;           // [V, D]: the embedding again when tied
    ops::Weight head_bias;      // [V]
    ops::Weight relative_bias;  // [buckets, heads]
    NormWeights final_norm;
    std::vector<LayerWeights> layers;
};

}  // namespace gremium
