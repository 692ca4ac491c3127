// A model as metadata and recipes describe it: what its layers have in common, and which layer is of which kind.
#pragma once

#include <optional>
#include <vector>

#include "base/boxed.h"
#include "model/spec/spec.h"

namespace gremium {

// The layers l >= first with l % period = offset, except those in `except`; period 0: none.
struct LayerPattern {
    int period = 1, offset = 0, first = 0;
    std::vector<int32_t> except = {};
    bool holds(int layer) const;
    // Those of a model with this number of layers.
    std::vector<int32_t> among(int layers) const;
    friend bool operator==(const LayerPattern&, const LayerPattern&) = default;
};

// The mixer of layers without attention.
enum class OtherMixer : uint8_t { state_space, short_conv, delta_net, mamba2 };

struct Outline {
    ModelSpec model;  // without layers and encoder
    int layers = 0;
    // For every layer that has one. head_dim 0: dim / heads; value_dim and rope.dims 0: head_dim.
    AttentionSpec attention;
    SsmSpec ssm;
    ShortConvSpec short_conv;
    DeltaNetSpec delta_net;
    Mamba2Spec mamba2;
    DenseSpec dense;
    MoeSpec moe;
    // Layers outside attention_layers have this mixer, or other_mixer if it is set. Layers outside mixture_layers
    // have a dense feed-forward, or none if others_dense is false.
    OtherMixer other = OtherMixer::state_space;
    std::optional<Mixer> other_mixer = {};
    LayerPattern attention_layers, mixture_layers{.period = 0};
    bool others_dense = true;
    // Layers are one part each: a mixture, a dense feed-forward where hidden_L has its width, or else a mixer.
    bool one_part = false;
    // Every whole_period-th layer sees the whole context; window and chunk apply to the layers between. 0: no layer
    // does. If layers that see the whole context are not rotated (whole_rotated), temperature applies to them only, and
    // a norm after rotation to the others only.
    int whole_period = 0;
    bool whole_rotated = true;
    // The attention of the layers that have a window, where it differs in more than that; `attention` is then that of
    // the others, and windowed_L says which layers are windowed (one flag a layer) instead of whole_period.
    std::optional<AttentionSpec> windowed = {};
    std::vector<int32_t> windowed_L = {};
    // One flag per layer with such attention, unless all are rotated.
    std::vector<int32_t> rotated_L = {};
    // One limit per layer of the activations of experts and of shared ones, where they differ; 0: a plain SiLU.
    std::vector<float> limit_L = {}, shared_limit_L = {};
    // Of every layer: LayerSpec's.
    bool post_norms = false, parallel = false;
    std::optional<DenseSpec> branch = {};
    // One number per layer if layers differ in heads or in the width of their dense feed-forward; otherwise empty.
    std::vector<int32_t> heads_L = {}, kv_heads_L = {}, hidden_L = {};
    Boxed<Outline> encoder = {};  // for encoder–decoder models
};

// Whether the layer sees the whole context: it is a whole_period-th layer, or no layer has a window or a chunk.
bool sees_whole(const Outline& outline, int layer);

// The attention of a layer that has it.
AttentionSpec attention_in(const Outline& outline, int layer);

// The specification of the outlined model.
ModelSpec spec_of(const Outline& outline);

// The outline of a specification, with the numbers of the first layer of each kind. spec_of gives the same
// specification back unless its layers differ in a way that an outline cannot express.
Outline outline_of(const ModelSpec& spec);

}  // namespace gremium
