#include "model/layers/block.h"
#include "model/layers/dense/dense.h"
#include "ops/ops.h"
#include "ops/stages.h"

namespace gremium {

using ops::Graph;
using ops::Var;

Var dense_forward(Graph& g, Var x_TD, const DenseWeights& w, kernels::Activation activation) {
    const Timed timer(ops::Stage::dense);
    const ops::Affine parts[] = {{w.up, w.up_bias}, {w.gate, w.gate_bias}};
    const std::vector<Var> in = ops::linears(g, x_TD, std::span(parts).first(w.gate ? 2 : 1));
    const Var hidden =
        w.gate ? ops::activate(g, in[1], in[0], activation) : ops::activate(g, in[0], nullptr, activation);
    return ops::linear(g, hidden, w.down, w.down_bias);
}

Var layer_forward(Graph& g, Var x_TD, const DenseSpec& dense, const DenseWeights& w, int layer,
                  const BlockContext& context, LayerRouting&) {
    const Var y = dense_forward(g, x_TD, w, dense.activation);
    show(context, moe::Part::dense, layer, y);
    return y;
}

}  // namespace gremium
