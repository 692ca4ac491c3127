#include "base/profile.h"
#include "model/layers/blocks.h"

namespace gremium {

namespace {

using ops::Graph;
using ops::Var;

Var dense(Graph& g, Var x_TD, const DenseWeights& w, ops::Activation activation) {
    const Timed timer(Stage::dense);
    const ops::Affine parts[] = {{w.up, w.up_bias}, {w.gate, w.gate_bias}};
    const std::vector<Var> in = ops::linears(g, x_TD, std::span(parts).first(w.gate ? 2 : 1));
    const Var hidden =
        w.gate ? ops::activate(g, in[1], in[0], activation) : ops::activate(g, in[0], nullptr, activation);
    return ops::linear(g, hidden, w.down, w.down_bias);
}

Var shared_experts(Graph& g, Var x_TD, const MoeSpec& spec, const MoeWeights& w) {
    const Var y = dense(g, x_TD, w.shared, spec.activation);
    if (!spec.shared_gate) return y;
    return ops::multiply_rows(g, y, ops::sigmoid(g, ops::linear_f32(g, x_TD, w.shared_gate)));
}

}  // namespace

Var feed_forward(Graph& g, Var x_TD, int layer, const BlockContext& context, LayerRouting& routing) {
    const LayerSpec& spec = context.model.spec.layers[static_cast<size_t>(layer)];
    const LayerWeights& w = context.model.weights.layers[static_cast<size_t>(layer)];
    const MoeSpec* m = spec.moe();
    if (!m) {
        const Var y = dense(g, x_TD, w.dense, std::get<DenseSpec>(spec.feed_forward).activation);
        show(context, moe::Part::dense, layer, y);
        return y;
    }

    const moe::RouteInputs inputs{.router_ED = w.moe.router,
                                  .bias_E = w.moe.router_bias,
                                  .correction_E = w.moe.correction.value,
                                  .sequences = context.sequence_T,
                                  .hooked = context.hooked,
                                  .noise_seed = context.noise_seed,
                                  .layer = layer};
    moe::MoeOutput out = moe::mixture(g, x_TD, m->router, inputs, *context.model.experts, m->activation);
    routing = {layer, std::move(out.routing.load_E), out.routing.balance_loss, out.routing.z_loss};
    if (m->shared_hidden == 0) return out.y_TD;
    const Var shared = shared_experts(g, x_TD, *m, w.moe);
    show(context, moe::Part::shared, layer, shared);
    return ops::add(g, out.y_TD, shared);
}

}  // namespace gremium
