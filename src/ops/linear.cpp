#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "kernels/rowwise/elementwise.h"
#include "kernels/rowwise/moe_rows.h"
#include "ops/ops.h"

namespace gremium::ops {
namespace {

void check_shapes(const char* operation, TensorView x, TensorView w_NK) {
    if (w_NK.cols() == x.cols()) return;
    fail("{}: the weight is {}, the input has {} columns", operation, to_string(w_NK.shape), x.cols());
}

std::vector<Var> linears_in(Graph& g, Var x, std::span<const Affine> parts, DType out, DType compute) {
    const int64_t rows = x->value.rows();
    const std::array<int32_t, 2> offsets{0, static_cast<int32_t>(rows)};
    std::vector<Var> ys;
    std::vector<kernels::Projection> products;
    for (const Affine& part : parts) {
        check_shapes("linear", x->value, part.w_NK.value);
        const bool trained = x->wants_grad || part.w_NK.grad || part.bias.grad;
        ys.push_back(g.make(out, {rows, part.w_NK.value.rows()}, trained));
        products.push_back({ys.back()->value, {&part.w_NK.value, 1}});
    }
    kernels::grouped_matmul(
        products, x->value, {}, offsets,
        {.compute = compute, .fine = true, .observer = g.options().observer, .cohorts = g.cohorts()});
    for (size_t i = 0; i < parts.size(); ++i)
        if (parts[i].w_NK.scale) kernels::axpby(ys[i]->value, ys[i]->value, *parts[i].w_NK.scale.f32(), 0);
    for (size_t i = 0; i < parts.size(); ++i)
        if (parts[i].bias) kernels::add_bias(ys[i]->value, parts[i].bias.value);
    if (std::ranges::none_of(ys, [](Var y) { return y->wants_grad; })) return ys;

    g.record(ys, [&g, x, ys, offsets, compute, parts = std::vector(parts.begin(), parts.end())] {
        std::vector<kernels::ProjectionGrad> back;
        std::vector<kernels::WeightGrad> weights;
        for (size_t i = 0; i < parts.size(); ++i) {
            const auto& [w, bias] = parts[i];
            if (!ys[i]->grad) continue;
            back.push_back({ys[i]->grad, {&w.value, 1}});
            if (w.grad) weights.push_back({{&w.grad, 1}, ys[i]->grad});
            if (bias.grad) kernels::sum_rows(bias.grad, ys[i]->grad);
        }
        if (x->wants_grad) {
            bool fresh = false;
            const Tensor dx = g.grad_of(x, &fresh);
            kernels::grouped_matmul_dx(dx, back, offsets, {.compute = compute, .accumulate = !fresh});
        }
        kernels::grouped_matmul_dw(weights, x->value, {}, offsets, {.compute = compute, .accumulate = true});
    });
    return ys;
}

// The inverse of `rows`: a table [T, widest] of the rows gathered from each token, filled up with −1.
std::vector<int32_t> rows_of_tokens(std::span<const int32_t> rows, int64_t tokens) {
    std::vector<int32_t> count(static_cast<size_t>(tokens));
    for (const int32_t t : rows) ++count[static_cast<size_t>(t)];
    const auto width = static_cast<size_t>(std::max(1, std::ranges::max(count)));
    std::vector<int32_t> table(static_cast<size_t>(tokens) * width, -1);
    std::ranges::fill(count, 0);
    for (size_t r = 0; r < rows.size(); ++r) {
        const auto t = static_cast<size_t>(rows[r]);
        table[t * width + static_cast<size_t>(count[t]++)] = static_cast<int32_t>(r);
    }
    return table;
}

}  // namespace

std::vector<Var> linears(Graph& g, Var x, std::span<const Affine> parts, DType out) {
    return linears_in(g, x, parts, out, g.options().compute);
}

Var linear(Graph& g, Var x, const Weight& w_NK, const Weight& bias, DType out) {
    const Affine one{w_NK, bias};
    return linears_in(g, x, {&one, 1}, out, g.options().compute).front();
}

Var linear_f32(Graph& g, Var x, const Weight& w_NK, const Weight& bias) {
    const Affine one{w_NK, bias};
    return linears_in(g, x, {&one, 1}, DType::f32, DType::f32).front();
}

Var grouped_linear(Graph& g, Var x, std::span<const Weight> w_NK, kernels::GroupOffsets offsets,
                   std::span<const int32_t> rows, DType out) {
    std::vector<TensorView> values;
    std::vector<Tensor> grads;
    int64_t outputs = 0;
    bool trained = false;
    for (const Weight& w : w_NK) {
        values.push_back(w.value);
        grads.push_back(w.grad);
        trained |= static_cast<bool>(w.grad);
        if (!w) continue;
        check_shapes("grouped_linear", x->value, w.value);
        outputs = w.value.rows();
    }
    const kernels::MatmulOptions options{.compute = g.options().compute, .observer = g.options().observer};
    const Var y = g.make(out, {offsets.back(), outputs}, x->wants_grad || trained);
    {
        const std::vector<int32_t> cohorts = g.cohorts_of(rows);
        kernels::MatmulOptions forward = options;
        forward.cohorts = rows.empty() ? g.cohorts() : cohorts;
        kernels::grouped_matmul(y->value, x->value, rows, values, offsets, forward);
    }
    if (!y->wants_grad) return y;

    g.record({y}, [&g, x, y, offsets, rows, options, trained, values = std::move(values), grads = std::move(grads)] {
        if (x->wants_grad && rows.empty()) {
            bool fresh = false;
            const Tensor dx = g.grad_of(x, &fresh);
            kernels::grouped_matmul_dx(dx, y->grad, values, offsets,
                                       {.compute = options.compute, .accumulate = !fresh});
        } else if (x->wants_grad) {
            const Scratch dx_RK = g.scratch(DType::f32, {y->value.rows(), x->value.cols()});
            kernels::grouped_matmul_dx(dx_RK, y->grad, values, offsets, options);
            bool fresh = false;
            const Tensor dx = g.grad_of(x, &fresh);
            kernels::combine_rows(dx, dx_RK, rows_of_tokens(rows, x->value.rows()), {}, !fresh);
        }
        if (trained) {
            kernels::grouped_matmul_dw(grads, y->grad, x->value, rows, offsets,
                                       {.compute = options.compute, .accumulate = true});
        }
    });
    return y;
}

}  // namespace gremium::ops
