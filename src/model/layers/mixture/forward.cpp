#include "moe/mixture.h"

#include "model/layers/block.h"
#include "model/layers/mixture/mixture.h"
#include "model/model.h"

namespace gremium {

namespace {

using ops::Graph;
using ops::Var;

Var shared_experts(Graph& g, Var x_TD, const MoeSpec& spec, const MoeWeights& w) {
    const Var y = dense_forward(g, x_TD, w.shared, spec.activation);
    if (!spec.shared_gate) return y;
    return ops::multiply_rows(g, y, ops::sigmoid(g, ops::linear_f32(g, x_TD, w.shared_gate)));
}

}  // namespace

Var layer_forward(Graph& g, Var x_TD, const MoeSpec& m, const MoeWeights& w, int layer, const BlockContext& context,
                  LayerRouting& routing) {
    const moe::RouteInputs inputs{.router_ED = w.router,
                                  .bias_E = w.router_bias,
                                  .correction_E = w.correction.value,
                                  .sequences = context.sequence_T,
                                  .hooked = context.hooked,
                                  .noise_seed = context.noise_seed,
                                  .layer = layer,
                                  .reads_TD = m.latent > 0 ? x_TD : nullptr,
                                  .expanded_by = m.latent > 0 ? &w.latent_up : nullptr};
    const Var seen = m.latent > 0 ? ops::linear(g, x_TD, w.latent_down) : x_TD;
    moe::MoeOutput out = moe::mixture(g, seen, m.router, inputs, *context.model.experts, m.activation);
    routing = {layer, std::move(out.routing.load_E), out.routing.balance_loss, out.routing.z_loss};
    if (m.shared_hidden == 0) return out.y_TD;
    const Var shared = shared_experts(g, x_TD, m, w);
    show(context, moe::Part::shared, layer, shared);
    return ops::add(g, out.y_TD, shared);
}

}  // namespace gremium
