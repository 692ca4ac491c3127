// The toy among the kinds of layer: a gated running mean, h[t] = keep · h[t − 1] + (1 − keep) · (in · x[t] + bias), out
// of which each token reads out · (silu(gate · x[t]) ⊙ h[t]). It shows all that a new mixer has to say.
#pragma once

#include "model/layers/kind.h"

namespace gremium {

// D: the model's width, C channels.
struct RunningMeanWeights {
    ops::Weight in, in_bias;  // [C, D], [C]
    ops::Weight gate;         // [C, D]
    ops::Weight out;          // [D, C]
};

struct RunningMeanSpec {
    using Weights = RunningMeanWeights;
    static constexpr const char* kind_name = "running mean";

    int channels = 0;
    float keep = 0.5f;
    friend bool operator==(const RunningMeanSpec&, const RunningMeanSpec&) = default;
};

void check(const RunningMeanSpec& mean, const Check& check);
void list_tensors(const RunningMeanSpec& mean, RunningMeanWeights& w, TensorList& list);
LayerCache cache_of(const RunningMeanSpec& mean);
int64_t forward_bytes(const RunningMeanSpec& mean, int64_t dim, const RowBytes& t);
ops::Var layer_forward(ops::Graph& g, ops::Var x_TD, const RunningMeanSpec& mean, const RunningMeanWeights& w,
                       int layer, const BlockContext& context);

}  // namespace gremium
