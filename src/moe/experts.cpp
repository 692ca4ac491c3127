#include <memory>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "kernels/rowwise/activation.h"
#include "kernels/rowwise/elementwise.h"
#include "kernels/rowwise/moe_rows.h"
#include "moe/mixture.h"
#include "ops/stages.h"

namespace gremium::moe {
namespace {

// The members of a matrix of an expert and of its bias.
struct Role {
    const char* name;
    ops::Weight ExpertWeights::*matrix;
    ops::Weight ExpertWeights::*bias;
};
constexpr Role gate_role{"gate", &ExpertWeights::gate, &ExpertWeights::gate_bias};
constexpr Role up_role{"up", &ExpertWeights::up, &ExpertWeights::up_bias};
constexpr Role down_role{"down", &ExpertWeights::down, &ExpertWeights::down_bias};

// The same matrix of all experts, as the kernels take it, and what its products are multiplied by and added to.
struct Matrices {
    std::vector<TensorView> values;
    std::vector<Tensor> grads;
    std::vector<ops::Weight> biases;  // empty: no expert has one
    std::vector<TensorView> scales;   // empty: no expert has one
    int64_t outputs = 0;
    bool trained = false;

    Matrices(const Role& role, const ExpertLease& lease, int64_t inputs)
        : values(lease.weights().size()), grads(values.size()) {
        for (size_t e = 0; e < values.size(); ++e) {
            if (!lease.weights()[e]) continue;
            const ops::Weight &w = lease.weights()[e]->*role.matrix, &bias = lease.weights()[e]->*role.bias;
            values[e] = w.value;
            grads[e] = w.grad;
            if (w.scale) scales.resize(values.size());
            if (w.scale) scales[e] = w.scale;
            if (bias) biases.resize(values.size());
            if (bias) biases[e] = bias;
            trained |= w.grad || bias.grad;
            if (!w) continue;
            if (w.value.cols() != inputs) {
                fail("experts: {} is {}, its input has {} columns", role.name, to_string(w.value.shape), inputs);
            }
            outputs = w.value.rows();
        }
    }

    // y[r] = y[r]·scale + bias of the row's expert.
    void scale_and_add_biases(Tensor y_RN, kernels::GroupOffsets offsets) const {
        for (size_t e = 0; e < scales.size(); ++e) {
            const int64_t rows = offsets[e + 1] - offsets[e];
            if (!scales[e] || rows == 0) continue;
            const Tensor y = ops::rows_of(y_RN, offsets[e], rows);
            kernels::axpby(y, y, *scales[e].f32(), 0);
        }
        for (size_t e = 0; e < biases.size(); ++e) {
            const int64_t rows = offsets[e + 1] - offsets[e];
            if (biases[e] && rows > 0) kernels::add_bias(ops::rows_of(y_RN, offsets[e], rows), biases[e].value);
        }
    }
    void add_bias_grads(TensorView dy_RN, kernels::GroupOffsets offsets) const {
        for (size_t e = 0; e < biases.size(); ++e) {
            const int64_t rows = offsets[e + 1] - offsets[e];
            if (biases[e].grad && rows > 0) kernels::sum_rows(biases[e].grad, ops::rows_of(dy_RN, offsets[e], rows));
        }
    }
};

// One pass of all rows through their experts. It lives as long as the tape if a gradient is wanted.
struct Pass {
    const DispatchPlan& plan;
    bool gathers;  // x has one row per token, not per row of the plan
    ops::Activation act;
    kernels::MatmulOptions options;
    std::vector<int32_t> cohorts;  // of the plan's rows
    Matrices up, down, gate;       // gate: all empty for plain experts
    ops::Var x, y_RD;
    Tensor up_RF, gate_RF, hidden_RF;

    bool gated() const { return gate.outputs > 0; }
    std::span<const int32_t> x_rows() const {
        return gathers ? std::span<const int32_t>(plan.token) : std::span<const int32_t>();
    }
    void multiply(Tensor y, TensorView in, std::span<const int32_t> in_rows, const Matrices& m) const {
        kernels::grouped_matmul(y, in, in_rows, m.values, plan.offsets, options);
        m.scale_and_add_biases(y, plan.offsets);
    }
    void weight_grads(const Matrices& m, TensorView dy, TensorView in, std::span<const int32_t> in_rows) const {
        if (!m.trained) return;
        kernels::grouped_matmul_dw(m.grads, dy, in, in_rows, plan.offsets,
                                   {.compute = options.compute, .accumulate = true});
        m.add_bias_grads(dy, plan.offsets);
    }
    void forward();
    void backward(ops::Graph& g);
    void input_grad(Tensor dx_RD, TensorView dup_RF, TensorView dgate_RF, bool add) const;
};

void Pass::forward() {
    if (plan.rows() == 0) return;
    options.cohorts = cohorts;
    if (gated()) {
        const kernels::Projection both[] = {{gate_RF, gate.values}, {up_RF, up.values}};
        kernels::grouped_matmul(both, x->value, x_rows(), plan.offsets, options);
        gate.scale_and_add_biases(gate_RF, plan.offsets);
        up.scale_and_add_biases(up_RF, plan.offsets);
        kernels::activate(hidden_RF, gate_RF, up_RF, act);
    } else {
        multiply(up_RF, x->value, x_rows(), up);
        kernels::activate(hidden_RF, up_RF, {}, act);
    }
    multiply(y_RD->value, hidden_RF, {}, down);
}

void Pass::backward(ops::Graph& g) {
    if (plan.rows() == 0) return;
    weight_grads(down, y_RD->grad, hidden_RF, {});
    if (!x->wants_grad && !up.trained && !gate.trained) return;

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
    if (gated()) {
        const kernels::WeightGrad both[] = {{gate.grads, dgate_RF.get()}, {up.grads, dup_RF.get()}};
        kernels::grouped_matmul_dw(both, x->value, x_rows(), plan.offsets,
                                   {.compute = options.compute, .accumulate = true});
        gate.add_bias_grads(dgate_RF, plan.offsets);
        up.add_bias_grads(dup_RF, plan.offsets);
    } else {
        weight_grads(up, dup_RF, x->value, x_rows());
    }
    if (!x->wants_grad) return;

    bool fresh = false;
    if (!gathers) {
        const Tensor dx_RD = g.grad_of(x, &fresh);
        return input_grad(dx_RD, dup_RF, dgate_RF, !fresh);
    }
    const ops::Scratch dx_RD = g.scratch(DType::f32, {plan.rows(), x->value.cols()});
    input_grad(dx_RD, dup_RF, dgate_RF, false);
    const Tensor dx_TD = g.grad_of(x, &fresh);
    kernels::combine_rows(dx_TD, dx_RD, plan.row_of, {}, !fresh);
}

void Pass::input_grad(Tensor dx_RD, TensorView dup_RF, TensorView dgate_RF, bool add) const {
    const kernels::ProjectionGrad both[] = {{dup_RF, up.values}, {dgate_RF, gate.values}};
    kernels::grouped_matmul_dx(dx_RD, std::span(both).first(gated() ? 2 : 1), plan.offsets,
                               {.compute = options.compute, .accumulate = add});
}

}  // namespace

ops::Var weighted_rows(ops::Graph& g, ops::Var x_TD, ops::Var weights_Tk, const DispatchPlan& plan) {
    const ops::Var x_RD =
        g.make(x_TD->value.dtype, {plan.rows(), x_TD->value.cols()}, x_TD->wants_grad || weights_Tk->wants_grad);
    kernels::combine_rows_backward(x_RD->value, {}, x_TD->value, {}, plan.row_of, weights_Tk->value);
    if (!x_RD->wants_grad) return x_RD;
    g.record({x_RD}, [&g, x_TD, weights_Tk, x_RD, &plan] {
        const Tensor dx_RD = g.grad_of(x_RD);
        if (weights_Tk->wants_grad) {
            kernels::combine_rows_backward({}, g.grad_of(weights_Tk), x_TD->value, dx_RD, plan.row_of,
                                           weights_Tk->value);
        }
        if (!x_TD->wants_grad) return;
        bool fresh = false;
        const Tensor dx_TD = g.grad_of(x_TD, &fresh);
        kernels::combine_rows(dx_TD, dx_RD, plan.row_of, weights_Tk->value, !fresh);
    });
    return x_RD;
}

ops::Var experts(ops::Graph& g, ops::Var x, const DispatchPlan& plan, const ExpertLease& lease, ops::Activation act,
                 RowsOf rows_of) {
    const int64_t inputs = x->value.cols();
    Matrices up(up_role, lease, inputs), gate(gate_role, lease, inputs), down(down_role, lease, up.outputs);
    const bool trained = x->wants_grad || up.trained || gate.trained || down.trained;
    const DType type = g.options().activation;
    const Shape hidden{plan.rows(), up.outputs};
    const bool gated = gate.outputs > 0;

    const auto pass = std::make_shared<Pass>(Pass{
        .plan = plan,
        .gathers = rows_of == RowsOf::tokens,
        .act = act,
        .options = {.compute = g.options().compute, .observer = g.options().observer},
        .cohorts = g.cohorts_of(plan.token),
        .up = std::move(up),
        .down = std::move(down),
        .gate = std::move(gate),
        .x = x,
        .y_RD = g.make(type, {plan.rows(), down.outputs}, trained),
        .up_RF = g.arena().tensor(type, hidden),
        .gate_RF = gated ? g.arena().tensor(type, hidden) : Tensor{},
        .hidden_RF = g.arena().tensor(type, hidden),
    });
    pass->forward();
    if (pass->y_RD->wants_grad) g.record({pass->y_RD}, [&g, pass] { pass->backward(g); });
    return pass->y_RD;
}

ops::Var combine(ops::Graph& g, ops::Var y_RD, ops::Var weights_Tk, const DispatchPlan& plan, int64_t tokens) {
    const TensorView weights = weights_Tk ? weights_Tk->value.view() : TensorView{};
    const bool weights_trained = weights_Tk && weights_Tk->wants_grad;
    const ops::Var y_TD = g.make(DType::f32, {tokens, y_RD->value.cols()}, y_RD->wants_grad || weights_trained);
    kernels::combine_rows(y_TD->value, y_RD->value, plan.row_of, weights);
    if (!y_TD->wants_grad) return y_TD;
    g.record({y_TD}, [&g, y_RD, weights_Tk, weights, weights_trained, y_TD, &plan] {
        // Experts that compute in bf16 round this gradient.
        const DType type = y_RD->value.dtype == DType::bf16 ? g.options().compute : DType::f32;
        g.fill_grads({y_RD}, type, [&](std::span<const Tensor> d) {
            const Tensor dweights = weights_trained ? g.grad_of(weights_Tk) : Tensor{};
            kernels::combine_rows_backward(d[0], dweights, y_TD->grad, y_RD->value, plan.row_of, weights);
        });
    });
    return y_TD;
}

namespace {

void show(const RouteInputs& inputs, ops::Var y_RD, ops::Var weights_Tk, const Routing& routing,
          const DispatchPlan& plan) {
    for (size_t i = 0; i < inputs.hooked.size(); ++i) {
        const HookedRows& own = inputs.hooked[i];
        const int k = routing.hooked_k[i];
        const OwnChoices<int32_t> ids(routing.ids_Tk, own, routing.top_k, k);
        const OwnChoices<int32_t> rows(plan.row_of, own, routing.top_k, k);
        const OwnChoices<float> weights(routing.weights(), own, routing.top_k, k);
        own.hook->contributes({.part = Part::experts,
                               .layer = inputs.layer,
                               .batch = own.batch,
                               .y = y_RD->value,
                               .ids_Tk = ids.view(),
                               .row_of_Tk = rows.view(),
                               .weights_Tk = weights_Tk ? weights.view() : std::span<const float>()});
    }
}

// What hooks are shown of latent experts. Rows of the plan have neighbours that depend on other sequences, so each is
// computed as if it were alone.
ops::Var expanded_rows(ops::Graph& g, ops::Var y_RD, const ops::Weight& up, const DispatchPlan& plan) {
    const std::vector<int32_t> of_tokens(g.cohorts().begin(), g.cohorts().end());
    std::vector<int32_t> apart(plan.token.size());
    std::iota(apart.begin(), apart.end(), 0);
    g.set_cohorts(apart);
    const ops::Var shown = ops::linear(g, y_RD, up);
    g.set_cohorts(of_tokens);
    return shown;
}

}  // namespace

MoeOutput mixture(ops::Graph& g, ops::Var x_TD, const RouterPolicy& policy, const RouteInputs& inputs,
                  ExpertStore& store, ops::Activation act) {
    Timed timer(ops::Stage::router);
    Routing routing = route(g, inputs.reads_TD ? inputs.reads_TD : x_TD, policy, inputs);
    timer.enter(ops::Stage::dispatch);
    std::vector<int32_t> used;
    for (size_t e = 0; e < routing.load_E.size(); ++e) {
        if (routing.load_E[e] > 0) used.push_back(static_cast<int32_t>(e));
    }
    store.want(inputs.layer, used);
    const auto plan = std::make_shared<DispatchPlan>(dispatch(routing.ids_Tk, routing.top_k, policy.experts));
    const auto lease = std::make_shared<ExpertLease>(store.lease(inputs.layer, used));
    if (g.recording()) {
        g.keep(plan);
        g.keep(lease);
    }
    const bool on_input = policy.weight_on_input;
    const ops::Var x = on_input ? weighted_rows(g, x_TD, routing.weights_Tk, *plan) : x_TD;
    timer.enter(ops::Stage::experts);
    const ops::Var y_RD = plan->rows() == 0  // a hook's rules gave up every choice
                              ? g.make(g.options().activation, {0, x->value.cols()}, false)
                              : experts(g, x, *plan, *lease, act, on_input ? RowsOf::plan : RowsOf::tokens);
    timer.enter(ops::Stage::combine);
    const ops::Var weights_Tk = on_input ? nullptr : routing.weights_Tk;
    const bool expands = inputs.expanded_by != nullptr;
    if (!inputs.hooked.empty())
        show(inputs, expands ? expanded_rows(g, y_RD, *inputs.expanded_by, *plan) : y_RD, weights_Tk, routing, *plan);
    const ops::Var y_TD = combine(g, y_RD, weights_Tk, *plan, x_TD->value.rows());
    return {expands ? ops::linear(g, y_TD, *inputs.expanded_by) : y_TD, std::move(routing)};
}

}  // namespace gremium::moe
