#include "model/layers/recurrent.h"
#include "model/layers/state_space/state_space.h"
#include "model/model.h"
#include "ops/ops.h"
#include "ops/stages.h"

namespace gremium {

using ops::Graph;
using ops::Var;
using ops::Weight;

// Gu, Dao: Mamba: Linear-Time Sequence Modeling with Selective State Spaces (2023), figure 3. C inner channels, state
// of size N, R the rank of the step sizes.
Var layer_forward(Graph& g, Var u_TD, const SsmSpec& s, const SsmWeights& w, int layer, const BlockContext& context) {
    const Timed timer(ops::Stage::state_space);
    const int64_t length = context.sequence_length;

    Var x_TC = ops::linear(g, u_TD, rows_of_weight(w.in, 0, s.inner), {}, DType::f32);
    const Var gate_TC = ops::linear(g, u_TD, rows_of_weight(w.in, s.inner, s.inner));
    x_TC = ops::causal_conv(g, x_TC, w.conv, w.conv_bias, length, states_of(SsmSpec::history, layer, context));
    x_TC = ops::activate(g, x_TC, nullptr, ops::Activation::silu);

    const auto project = [&](int64_t begin, int64_t count, const Weight& norm) {
        const Var y = ops::linear(g, x_TC, rows_of_weight(w.x, begin, count), {}, DType::f32);
        return norm ? ops::rms_norm(g, y, norm, context.model.spec.norm.eps, count, DType::f32) : y;
    };
    const Var dt_TR = project(0, s.dt_rank, w.dt_norm);
    const Var b_TN = project(s.dt_rank, s.state, w.b_norm);
    const Var c_TN = project(s.dt_rank + s.state, s.state, w.c_norm);
    const Var step_TC = ops::linear(g, dt_TR, w.dt, w.dt_bias, DType::f32);
    const Var y_TC =
        ops::selective_scan(g, {x_TC, step_TC, b_TN, c_TN}, {.rates_CN = w.a, .skip_C = w.d, .log_rates = s.log_rates},
                            length, states_of(SsmSpec::scan, layer, context));
    return ops::linear(g, ops::activate(g, gate_TC, y_TC, ops::Activation::silu), w.out);
}

}  // namespace gremium
