#include "model/layers/mamba2/mamba2.h"
#include "model/layers/recurrent.h"
#include "model/model.h"
#include "ops/stages.h"

namespace gremium {

using ops::Activation;
using ops::Graph;
using ops::Var;

// Dao, Gu (2024), section 7. The order of gate and norm is that of the models that are out: gated first.
Var layer_forward(Graph& g, Var u_TD, const Mamba2Spec& s, const Mamba2Weights& w, int layer,
                  const BlockContext& context) {
    const Timed timer(ops::Stage::state_space);
    const int64_t length = context.sequence_length, shared = int64_t{s.groups} * s.state;
    const Var gate = ops::linear(g, u_TD, rows_of_weight(w.in, 0, s.inner));
    Var mixed = ops::linear(g, u_TD, rows_of_weight(w.in, s.inner, s.convolved()), {}, DType::f32);
    const Var raw = ops::linear(g, u_TD, rows_of_weight(w.in, s.inner + s.convolved(), s.heads), w.dt_bias, DType::f32);
    const Var step = ops::activate(g, raw, nullptr, Activation::softplus);
    mixed = ops::causal_conv(g, mixed, w.conv, w.conv_bias, length, states_of(Mamba2Spec::history, layer, context));
    mixed = ops::activate(g, mixed, nullptr, Activation::silu);
    const Var x = ops::head_columns(g, mixed, 1, 0, s.inner);
    const ops::MatrixStateVars vars{
        .q_TK = ops::head_columns(g, mixed, 1, s.inner + shared, shared),
        .k_TK = ops::head_columns(g, mixed, 1, s.inner, shared),
        .v_TV = ops::multiply_rows(g, x, step),
        .decay = ops::scale_columns(g, step, w.a, s.log_rates ? ops::FactorOf::minus_exp : ops::FactorOf::weight),
        .beta_TH = nullptr};
    const Var scanned = ops::matrix_state(g, vars, {.heads = s.heads, .key_heads = s.groups}, length,
                                          states_of(Mamba2Spec::scan, layer, context));
    const Var y = ops::add(g, scanned, ops::scale_columns(g, x, w.d));
    const Var gated = ops::activate(g, gate, y, Activation::silu);
    const Var normed = ops::rms_norm(g, gated, {}, context.model.spec.norm.eps, s.inner / s.groups, DType::f32);
    return ops::linear(g, ops::scale_columns(g, normed, w.norm), w.out);
}

}  // namespace gremium
