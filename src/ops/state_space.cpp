#include "ops/ops.h"

namespace gremium::ops {

Var causal_conv(Graph& g, Var x, const Weight& w_CK, const Weight& bias, int64_t length,
                std::span<const GoesOn> histories) {
    const Var y = g.make(DType::f32, x->value.shape, x->wants_grad || w_CK.grad || bias.grad);
    if (histories.empty()) kernels::causal_conv(y->value, x->value, w_CK.value, bias.value, length, {}, 0);
    for (const GoesOn& s : histories)
        kernels::causal_conv(rows_of(y->value, s.row, s.rows), rows_of(x->value.view(), s.row, s.rows), w_CK.value,
                             bias.value, s.rows, s.state, s.first_column);
    if (!y->wants_grad) return y;
    g.record({y}, [&g, x, w_CK, bias, length, y] {
        g.fill_grads({x}, DType::f32, [&](std::span<const Tensor> d) {
            kernels::causal_conv_backward(d[0], w_CK.grad, bias.grad, g.grad_of(y), x->value, w_CK.value, length);
        });
    });
    return y;
}

Var selective_scan(Graph& g, const ScanVars& in, const ScanWeights& w, int64_t length,
                   std::span<const GoesOn> states_NC) {
    const bool trained = in.x_TC->wants_grad || in.step_TC->wants_grad || in.b_TN->wants_grad || in.c_TN->wants_grad ||
                         w.rates_CN.grad || w.skip_C.grad;
    const Var y = g.make(DType::f32, in.x_TC->value.shape, trained);
    const kernels::ScanInputs inputs{.x_TC = in.x_TC->value,
                                     .step_TC = in.step_TC->value,
                                     .rates_CN = w.rates_CN.value,
                                     .b_TN = in.b_TN->value,
                                     .c_TN = in.c_TN->value,
                                     .skip_C = w.skip_C.value,
                                     .log_rates = w.log_rates};
    if (states_NC.empty()) kernels::selective_scan(y->value, inputs, length, {});
    for (const GoesOn& s : states_NC) {
        kernels::ScanInputs own = inputs;
        for (TensorView* const in_rows : {&own.x_TC, &own.step_TC, &own.b_TN, &own.c_TN})
            *in_rows = rows_of(*in_rows, s.row, s.rows);
        kernels::selective_scan(rows_of(y->value, s.row, s.rows), own, s.rows, s.state);
    }
    if (!y->wants_grad) return y;
    g.record({y}, [&g, in, w, inputs, length, y] {
        g.fill_grads({in.x_TC, in.step_TC, in.b_TN, in.c_TN}, DType::f32, [&](std::span<const Tensor> d) {
            kernels::selective_scan_backward({.x_TC = d[0],
                                              .step_TC = d[1],
                                              .b_TN = d[2],
                                              .c_TN = d[3],
                                              .rates_CN = w.rates_CN.grad,
                                              .skip_C = w.skip_C.grad},
                                             g.grad_of(y), inputs, length);
        });
    });
    return y;
}

}  // namespace gremium::ops
