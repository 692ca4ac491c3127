// A dense feed-forward: down( act(gate·x) ⊙ up·x ), or down( act(up·x) ).
#pragma once

#include <string>

#include "kernels/kinds.h"
#include "model/layers/kind.h"

namespace gremium {

// D: model width, F: hidden width.
struct DenseWeights {
    ops::Weight gate;                // [F, D]; empty if not gated
    ops::Weight up;                  // [F, D]
    ops::Weight down;                // [D, F]
    ops::Weight gate_bias, up_bias;  // [F]
    ops::Weight down_bias;           // [D]
};

struct DenseSpec {
    using Weights = DenseWeights;
    static constexpr const char* kind_name = "feed-forward";

    int hidden = 0;
    kernels::Activation activation = kernels::Activation::silu;
    bool gated = true;  // false: down( act(up·x) )
    bool bias = false;  // each matrix has one
    friend bool operator==(const DenseSpec&, const DenseSpec&) = default;
};

void check(const DenseSpec& dense, const Check& check);
// Checks the numbers of a dense feed-forward, or those of a mixture's experts.
void check_activation(const kernels::Activation& activation, const Check& check);
void list_tensors(const DenseSpec& dense, DenseWeights& w, TensorList& list);
int64_t forward_bytes(const DenseSpec& dense, int64_t dim, const RowBytes& t);
ops::Var layer_forward(ops::Graph& g, ops::Var x_TD, const DenseSpec& dense, const DenseWeights& w, int layer,
                       const BlockContext& context, LayerRouting& routing);

// The same for a dense feed-forward inside a mixture: `suffix` is appended to the names of its tensors.
void list_matrices(const std::string& suffix, const DenseSpec& dense, DenseWeights& w, TensorList& list);
ops::Var dense_forward(ops::Graph& g, ops::Var x_TD, const DenseWeights& w, kernels::Activation activation);

}  // namespace gremium
