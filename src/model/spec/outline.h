// A model as metadata and recipes describe it: what layers have in common, and which layer is of which kind.
#pragma once

#include <optional>
#include <vector>

#include "base/boxed.h"
#include "model/spec/spec.h"

namespace gremium {

// The layers l with l % period = offset, from `first` on, but those in `except`; period 0: none.
struct LayerPattern {
    int period = 1, offset = 0, first = 0;
    std::vector<int32_t> except = {};
    bool holds(int layer) const;
    std::vector<int32_t> among(int layers) const;  // those of so many
    friend bool operator==(const LayerPattern&, const LayerPattern&) = default;
};

struct Outline {
    ModelSpec model;  // without layers and encoder
    int layers = 0;
    // Of every layer that has one. head_dim 0: dim / heads; value_dim and rope.dims 0: head_dim.
    AttentionSpec attention;
    SsmSpec ssm;
    DenseSpec dense;
    MoeSpec moe;
    // Other layers have a state space mixer, or another one; and a dense feed-forward, or none where others_dense is
    // false.
    std::optional<Mixer> other_mixer = {};
    LayerPattern attention_layers, mixture_layers{.period = 0};
    bool others_dense = true;
    // Every so many-th layer sees the whole context: window and chunk are of the layers between. 0: none does. Where
    // those are not rotated, temperature is theirs alone, and a norm after rotation that of the others.
    int whole_period = 0;
    bool whole_rotated = true;
    // Where layers differ in heads or in the width of their dense feed-forward, one number a layer; else empty.
    std::vector<int32_t> heads_L = {}, kv_heads_L = {}, hidden_L = {};
    Boxed<Outline> encoder = {};  // of an encoder–decoder model
};

// Whether the layer sees the whole context where others have a window or a chunk, or all do.
bool sees_whole(const Outline& outline, int layer);

// The specification of the outlined model.
ModelSpec spec_of(const Outline& outline);

// An outline of the specification: of each kind of layer the first one's numbers. spec_of gives the same specification
// back unless its layers differ in what an outline cannot say.
Outline outline_of(const ModelSpec& spec);

}  // namespace gremium
