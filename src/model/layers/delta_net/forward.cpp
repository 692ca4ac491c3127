#include <cmath>

#include "model/layers/delta_net/delta_net.h"
#include "model/layers/recurrent.h"
#include "model/model.h"
#include "ops/stages.h"

namespace gremium {

namespace {

using ops::Activation;
using ops::Graph;
using ops::Var;
using ops::Weight;

// Parts of the recurrence, before queries and keys are normed.
struct DeltaInputs {
    Var q, k, v, decay, beta, gate;
};

Var f32_product(Graph& g, Var x, const Weight& w, const Weight& bias = {}) {
    return ops::linear(g, x, w, bias, DType::f32);
}

// After the convolution, which continues from columns [first, …) of the kept rows.
Var convolved(Graph& g, Var x, const Weight& filter, int64_t first, int layer, const BlockContext& context) {
    std::vector<ops::GoesOn> histories = states_of(DeltaNetSpec::history, layer, context);
    for (ops::GoesOn& s : histories) s.first_column = first;
    return ops::activate(g, ops::causal_conv(g, x, filter, {}, context.sequence_length, histories), nullptr,
                         Activation::silu);
}

DeltaInputs project(Graph& g, Var x_TD, const DeltaNetSpec& s, const DeltaNetWeights& w, int layer,
                    const BlockContext& context) {
    const Var mixed = convolved(g, f32_product(g, x_TD, w.qkv), w.conv, 0, layer, context);
    const Var step = ops::activate(g, f32_product(g, x_TD, w.alpha, w.dt_bias), nullptr, Activation::softplus);
    return {.q = ops::head_columns(g, mixed, 1, 0, s.keys()),
            .k = ops::head_columns(g, mixed, 1, s.keys(), s.keys()),
            .v = ops::head_columns(g, mixed, 1, 2 * s.keys(), s.values()),
            .decay = ops::scale_columns(g, step, w.a, s.log_rates ? ops::FactorOf::minus_exp : ops::FactorOf::weight),
            .beta = f32_product(g, x_TD, w.beta),
            .gate = ops::linear(g, x_TD, w.gate)};
}

// The decays of all channels.
Var channel_decays(Graph& g, Var raw, const DeltaNetSpec& s, const Weight& a) {
    if (s.lower_bound == 0)
        return ops::scale_columns(g, ops::activate(g, raw, nullptr, Activation::softplus), a,
                                  s.log_rates ? ops::FactorOf::minus_exp : ops::FactorOf::weight);
    const Var scaled = ops::scale_columns(g, raw, a, s.log_rates ? ops::FactorOf::exp : ops::FactorOf::weight);
    return ops::scale(g, ops::activate(g, scaled, nullptr, Activation::sigmoid), s.lower_bound);
}

DeltaInputs project_channels(Graph& g, Var x_TD, const DeltaNetSpec& s, const DeltaNetWeights& w, int layer,
                             const BlockContext& context) {
    const auto mixed = [&](const Weight& matrix, const Weight& filter, int64_t first) {
        return convolved(g, f32_product(g, x_TD, matrix), filter, first, layer, context);
    };
    const bool low_rank = s.rank > 0;
    const Var raw = low_rank ? f32_product(g, f32_product(g, x_TD, w.alpha), w.alpha_b, w.dt_bias)
                             : f32_product(g, x_TD, w.alpha, w.dt_bias);
    return {.q = mixed(w.q, w.conv_q, 0),
            .k = mixed(w.k, w.conv_k, s.keys()),
            .v = mixed(w.v, w.conv_v, 2 * s.keys()),
            .decay = channel_decays(g, raw, s, w.a),
            .beta = f32_product(g, x_TD, w.beta),
            .gate = low_rank ? ops::linear(g, ops::linear(g, x_TD, w.gate), w.gate_b) : ops::linear(g, x_TD, w.gate)};
}

}  // namespace

Var layer_forward(Graph& g, Var x_TD, const DeltaNetSpec& s, const DeltaNetWeights& w, int layer,
                  const BlockContext& context) {
    const Timed timer(ops::Stage::state_space);
    const float eps = context.model.spec.norm.eps, width = static_cast<float>(s.key_dim);
    const DeltaInputs in =
        s.channels ? project_channels(g, x_TD, s, w, layer, context) : project(g, x_TD, s, w, layer, context);
    // x / √(Σx² + ε) is an RMSNorm divided by the root of the width.
    const auto unit = [&](Var x) { return ops::rms_norm(g, x, {}, eps / width, s.key_dim, DType::f32); };
    const ops::MatrixStateVars vars{.q_TK = unit(in.q),
                                    .k_TK = unit(in.k),
                                    .v_TV = in.v,
                                    .decay = in.decay,
                                    .beta_TH = ops::activate(g, in.beta, nullptr, Activation::sigmoid)};
    const kernels::MatrixStateInputs numbers{.heads = s.heads,
                                             .key_heads = s.key_heads,
                                             .tiled = s.tiled,
                                             .q_scale = 1 / width,
                                             .k_scale = 1 / std::sqrt(width)};
    const Var o =
        ops::matrix_state(g, vars, numbers, context.sequence_length, states_of(DeltaNetSpec::scan, layer, context));
    const Var normed = ops::rms_norm(g, o, w.norm, eps, s.value_dim, g.options().activation);
    const auto gate = s.channels ? Activation::sigmoid : Activation::silu;
    return ops::linear(g, ops::activate(g, in.gate, normed, gate), w.out);
}

}  // namespace gremium
