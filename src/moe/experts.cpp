#include <memory>
#include <vector>

#include "base/error.h"
#include "kernels/moe_rows.h"
#include "moe/moe.h"

namespace gremium::moe {
namespace {

// The same matrix of all experts, as the kernels take it.
struct Matrices {
    std::vector<TensorView> values;
    std::vector<Tensor> grads;
    int64_t outputs = 0;
    bool trained = false;

    Matrices(const char* role, std::span<const ops::Weight> weights, int64_t inputs) {
        for (const ops::Weight& w : weights) {
            values.push_back(w.value);
            grads.push_back(w.grad);
            trained |= static_cast<bool>(w.grad);
            if (!w) continue;
            if (w.value.cols() != inputs) {
                fail("experts: {} is {}, its input has {} columns", role, to_string(w.value.shape), inputs);
            }
            outputs = w.value.rows();
        }
    }
};

// One pass of all rows through their experts; alive as long as the tape when its gradient is wanted.
struct Pass {
    const DispatchPlan& plan;
    ops::Activation act;
    kernels::MatmulOptions options;
    Matrices up, down, gate;  // gate: all empty for plain experts
    ops::Var x_TD, y_RD;
    Tensor up_RF, gate_RF, hidden_RF;

    bool gated() const { return gate.outputs > 0; }
    std::span<const int32_t> tokens() const { return plan.token; }
    void forward();
    void backward(ops::Graph& g);
};

void Pass::forward() {
    if (plan.rows() == 0) return;
    kernels::grouped_matmul(up_RF, x_TD->value, tokens(), up.values, plan.offsets, options);
    if (gated()) {
        kernels::grouped_matmul(gate_RF, x_TD->value, tokens(), gate.values, plan.offsets, options);
        kernels::activate(hidden_RF, gate_RF, up_RF, act);
    } else {
        kernels::activate(hidden_RF, up_RF, {}, act);
    }
    kernels::grouped_matmul(y_RD->value, hidden_RF, {}, down.values, plan.offsets, options);
}

void Pass::backward(ops::Graph& g) {
    if (plan.rows() == 0) return;
    const kernels::MatmulOptions adding{.compute = options.compute, .accumulate = true};
    if (down.trained) {
        kernels::grouped_matmul_dw(down.grads, y_RD->grad, hidden_RF, {}, plan.offsets, adding);
    }
    if (!x_TD->wants_grad && !up.trained && !gate.trained) return;

    const Shape shape = hidden_RF.shape;
    const ops::Scratch dup_RF = g.scratch(options.compute, shape);
    const ops::Scratch dgate_RF = g.scratch(options.compute, gated() ? shape : Shape{0});
    {
        const ops::Scratch dhidden_RF = g.scratch(DType::f32, shape);
        kernels::grouped_matmul_dx(dhidden_RF, y_RD->grad, down.values, plan.offsets, options);
        if (gated())
            kernels::activate_backward(dgate_RF, dup_RF, dhidden_RF, gate_RF, up_RF, act);
        else
            kernels::activate_backward(dup_RF, {}, dhidden_RF, up_RF, {}, act);
    }
    if (up.trained) {
        kernels::grouped_matmul_dw(up.grads, dup_RF, x_TD->value, tokens(), plan.offsets, adding);
    }
    if (gate.trained) {
        kernels::grouped_matmul_dw(gate.grads, dgate_RF, x_TD->value, tokens(), plan.offsets, adding);
    }
    if (!x_TD->wants_grad) return;

    const ops::Scratch dx_RD = g.scratch(DType::f32, {plan.rows(), x_TD->value.cols()});
    kernels::grouped_matmul_dx(dx_RD, dup_RF, up.values, plan.offsets, options);
    if (gated()) kernels::grouped_matmul_dx(dx_RD, dgate_RF, gate.values, plan.offsets, adding);
    bool fresh = false;
    const Tensor dx_TD = g.grad_of(x_TD, &fresh);
    kernels::combine_rows(dx_TD, dx_RD, plan.row_of, {}, !fresh);
}

}  // namespace

ops::Var experts(ops::Graph& g, ops::Var x_TD, const DispatchPlan& plan, const ExpertLease& lease,
                 ops::Activation act) {
    const int64_t inputs = x_TD->value.cols();
    Matrices up("up", lease.up(), inputs), gate("gate", lease.gate(), inputs),
        down("down", lease.down(), up.outputs);
    const bool trained = x_TD->wants_grad || up.trained || gate.trained || down.trained;
    const DType type = g.options().activation;
    const Shape hidden{plan.rows(), up.outputs};
    const bool gated = gate.outputs > 0;

    const auto pass = std::make_shared<Pass>(Pass{
        .plan = plan,
        .act = act,
        .options = {.compute = g.options().compute},
        .up = std::move(up),
        .down = std::move(down),
        .gate = std::move(gate),
        .x_TD = x_TD,
        .y_RD = g.make(type, {plan.rows(), down.outputs}, trained),
        .up_RF = g.arena().tensor(type, hidden),
        .gate_RF = gated ? g.arena().tensor(type, hidden) : Tensor{},
        .hidden_RF = g.arena().tensor(type, hidden),
    });
    pass->forward();
    if (pass->y_RD->wants_grad) g.record({pass->y_RD}, [&g, pass] { pass->backward(g); });
    return pass->y_RD;
}

ops::Var combine(ops::Graph& g, ops::Var y_RD, ops::Var weights_Tk, const DispatchPlan& plan,
                 int64_t tokens) {
    const ops::Var y_TD =
        g.make(DType::f32, {tokens, y_RD->value.cols()}, y_RD->wants_grad || weights_Tk->wants_grad);
    kernels::combine_rows(y_TD->value, y_RD->value, plan.row_of, weights_Tk->value);
    if (!y_TD->wants_grad) return y_TD;
    g.record({y_TD}, [&g, y_RD, weights_Tk, y_TD, &plan] {
        // Experts that compute in bf16 round this gradient.
        const DType type = y_RD->value.dtype == DType::bf16 ? g.options().compute : DType::f32;
        g.fill_grads({y_RD}, type, [&](std::span<const Tensor> d) {
            const Tensor dweights = weights_Tk->wants_grad ? g.grad_of(weights_Tk) : Tensor{};
            kernels::combine_rows_backward(d[0], dweights, y_TD->grad, y_RD->value, plan.row_of,
                                           weights_Tk->value);
        });
    });
    return y_TD;
}

MoeOutput mixture(ops::Graph& g, ops::Var x_TD, const RouterPolicy& policy, const RouteInputs& inputs,
                  ExpertStore& store, ops::Activation act) {
    Routing routing = route(g, x_TD, policy, inputs);
    std::vector<int32_t> used;
    for (size_t e = 0; e < routing.load_E.size(); ++e) {
        if (routing.load_E[e] > 0) used.push_back(static_cast<int32_t>(e));
    }
    const auto plan = std::make_shared<DispatchPlan>(dispatch(routing.ids_Tk, routing.top_k, policy.experts));
    const auto lease = std::make_shared<ExpertLease>(store.lease(inputs.layer, used));
    if (g.recording()) {
        g.keep(plan);
        g.keep(lease);
    }
    const ops::Var y_RD = experts(g, x_TD, *plan, *lease, act);
    return {combine(g, y_RD, routing.weights_Tk, *plan, x_TD->value.rows()), std::move(routing)};
}

}  // namespace gremium::moe
