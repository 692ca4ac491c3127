#include "moe/mixture.h"

#include "model/layers/block.h"
#include "model/layers/mixture/mixture.h"
#include "model/model.h"

namespace gremium {

namespace {

using ops::Graph;
using ops::Var;

Var shared_experts(Graph& g, Var x_TD, const MoeSpec& spec, const MoeWeights& w) {
    const Var y = dense_forward(g, x_TD, w.shared, spec.shared_activation.value_or(spec.activation));
    if (!spec.shared_gate) return y;
    return ops::multiply_rows(g, y, ops::sigmoid(g, ops::linear_f32(g, x_TD, w.shared_gate)));
}

// One step of the mixture again, with the choices of experts as choices of their groups and the same routing weights.
Var adjugate_experts(Graph& g, Var x_TD, const MoeSpec& m, const MoeWeights& w, const moe::Routing& routing) {
    const AdjugateSpec& a = m.adjugate;
    const int count = m.router.experts / a.group;
    std::vector<int32_t> groups_Tk = routing.ids_Tk;
    for (int32_t& id : groups_Tk) id = id < 0 ? -1 : id / a.group;
    const auto plan = std::make_shared<moe::DispatchPlan>(moe::dispatch(groups_Tk, routing.top_k, count));
    if (plan->rows() == 0) return ops::scale(g, ops::head_columns(g, x_TD, 1, 0, x_TD->value.cols()), 0);
    const auto part = [](const ops::Weight& stack, int i) {
        return ops::Weight{stack.value.at(i), stack.grad ? stack.grad.at(i) : Tensor{}};
    };
    const auto weights = std::make_shared<std::vector<moe::ExpertWeights>>();
    for (int i = 0; i < count; ++i)
        weights->push_back(
            {.gate = part(w.adjugate.gate, i), .up = part(w.adjugate.up, i), .down = part(w.adjugate.down, i)});
    std::vector<const moe::ExpertWeights*> all;
    for (const moe::ExpertWeights& each : *weights) all.push_back(&each);
    const auto lease = std::make_shared<moe::ExpertLease>(nullptr, -1, std::vector<int32_t>(), std::move(all));
    if (g.recording()) {
        g.keep(plan);
        g.keep(weights);
        g.keep(lease);
    }
    const Var y_RD = moe::experts(g, x_TD, *plan, *lease, m.activation);
    return ops::scale(g, moe::combine(g, y_RD, routing.weights_Tk, *plan, x_TD->value.rows()), a.scale);
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
                                  .reads_TD = m.latent > 0 && !routing.block_input ? x_TD : routing.block_input,
                                  .expanded_by = m.latent > 0 ? &w.latent_up : nullptr};
    const Var seen = m.latent > 0 ? ops::linear(g, x_TD, w.latent_down) : x_TD;
    moe::MoeOutput out = moe::mixture(g, seen, m.router, inputs, *context.model.experts, m.activation);
    routing = {layer, std::move(out.routing.load_E), out.routing.balance_loss, out.routing.z_loss};
    Var y = out.y_TD;
    if (m.adjugate.group > 0) y = ops::add(g, y, adjugate_experts(g, x_TD, m, w, out.routing));
    if (m.shared_hidden > 0) {
        const Var shared = shared_experts(g, x_TD, m, w);
        show(context, moe::Part::shared, layer, shared);
        y = ops::add(g, y, shared);
    }
    return m.output_scale == 1 ? y : ops::scale(g, y, m.output_scale);
}

}  // namespace gremium
