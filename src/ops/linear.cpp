#include <algorithm>
#include <vector>

#include "base/error.h"
#include "kernels/moe_rows.h"
#include "ops/ops.h"

namespace gremium::ops {
namespace {

void check_shapes(const char* operation, TensorView x, TensorView w_NK) {
    if (w_NK.cols() == x.cols()) return;
    fail("{}: the weight is {}, the input has {} columns", operation, to_string(w_NK.shape), x.cols());
}

Var linear_in(Graph& g, Var x, const Weight& w, const Weight& bias, DType out, DType compute) {
    check_shapes("linear", x->value, w.value);
    const bool trained = x->wants_grad || w.grad || bias.grad;
    const Var y = g.make(out, {x->value.rows(), w.value.rows()}, trained);
    kernels::matmul(
        y->value, x->value, w.value,
        {.compute = compute, .fine = true, .observer = g.options().observer, .cohorts = g.options().cohorts});
    if (bias) kernels::add_bias(y->value, bias.value);
    if (!y->wants_grad) return y;

    g.record({y}, [&g, x, w, bias, y, compute] {
        if (x->wants_grad) {
            bool fresh = false;
            const Tensor dx = g.grad_of(x, &fresh);
            kernels::matmul_dx(dx, y->grad, w.value, {.compute = compute, .accumulate = !fresh});
        }
        if (w.grad) kernels::matmul_dw(w.grad, y->grad, x->value, {.compute = compute, .accumulate = true});
        if (bias.grad) kernels::sum_rows(bias.grad, y->grad);
    });
    return y;
}

// The rows gathered from each token as a table [T, widest], −1 where a token has fewer: the inverse of `rows`.
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

Var linear(Graph& g, Var x, const Weight& w_NK, const Weight& bias, DType out) {
    return linear_in(g, x, w_NK, bias, out, g.options().compute);
}

Var linear_f32(Graph& g, Var x, const Weight& w_NK, const Weight& bias) {
    return linear_in(g, x, w_NK, bias, DType::f32, DType::f32);
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
        forward.cohorts = rows.empty() ? g.options().cohorts : cohorts;
        kernels::grouped_matmul(y->value, x->value, rows, values, offsets, forward);
    }
    if (!y->wants_grad) return y;

    g.record({y}, [&g, x, y, offsets, rows, options, trained, values = std::move(values),
                   grads = std::move(grads)] {
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
