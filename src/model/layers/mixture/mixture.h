// A mixture of experts (moe/mixture.h computes it), with optional shared experts that serve all tokens.
#pragma once

#include <optional>

#include "kernels/kinds.h"
#include "model/layers/dense/dense.h"
#include "model/layers/kind.h"
#include "moe/policy.h"

namespace gremium {

// D: model width, E experts. The weights of the experts themselves are in the ExpertStore.
struct MoeWeights {
    ops::Weight router;       // [E, D]
    ops::Weight router_bias;  // [E]
    ops::Weight correction;   // [E]
    ops::Weight shared_gate;  // [1, D]
    DenseWeights shared;
    ops::Weight latent_down, latent_up;  // [L, D], [D, L]
    DenseWeights adjugate;               // stacks [E/g · F', D], [D, E/g · F']: see AdjugateSpec
};

// Small experts beside the routed ones (GroveMoE: Wu et al. 2025): each serves a group of `group` neighbouring experts,
// and joins in, times `scale` and the expert's routing weight, whenever one of them is chosen.
struct AdjugateSpec {
    int group = 0;   // experts that share one; 0: there are none
    int hidden = 0;  // its width
    float scale = 1;
    friend bool operator==(const AdjugateSpec&, const AdjugateSpec&) = default;
};

struct MoeSpec {
    using Weights = MoeWeights;
    static constexpr const char* kind_name = "feed-forward";

    moe::RouterPolicy router;
    int hidden = 0;            // hidden width of one expert
    bool router_bias = false;  // added to the router's logits
    bool bias = false;         // each matrix of an expert has one
    kernels::Activation activation = kernels::Activation::silu;
    bool gated = true;         // as DenseSpec's
    int shared_hidden = 0;     // width of the shared expert(s) together; 0: none
    bool shared_gate = false;  // multiplies the shared output by σ(w·x)
    int latent = 0;  // width of the latent vector that the routed experts work in (Nemotron 3); 0: the model's
    // Of the shared experts where theirs differs, e.g. in its limit.
    std::optional<kernels::Activation> shared_activation = {};
    float output_scale = 1;           // of routed and shared experts together
    bool routes_block_input = false;  // the router sees the block's input instead of the normed one (SmallThinker)
    AdjugateSpec adjugate = {};
    friend bool operator==(const MoeSpec&, const MoeSpec&) = default;
};

void check(const MoeSpec& m, const Check& check);
void list_tensors(const MoeSpec& m, MoeWeights& w, TensorList& list);
int64_t forward_bytes(const MoeSpec& m, int64_t dim, const RowBytes& t);
// Fills `routing`.
ops::Var layer_forward(ops::Graph& g, ops::Var x_TD, const MoeSpec& m, const MoeWeights& w, int layer,
                       const BlockContext& context, LayerRouting& routing);

}  // namespace gremium
