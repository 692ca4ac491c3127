#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "ops/ops.h"

namespace gremium::ops {

Var matrix_state(Graph& g, const MatrixStateVars& in, const kernels::MatrixStateInputs& numbers, int64_t length,
                 std::span<const GoesOn> states_HKV) {
    const auto wanted = [](Var v) { return v && v->wants_grad; };
    const bool trained =
        wanted(in.q_TK) || wanted(in.k_TK) || wanted(in.v_TV) || wanted(in.decay) || wanted(in.beta_TH);
    const Var y = g.make(DType::f32, in.v_TV->value.shape, trained);
    kernels::MatrixStateInputs inputs = numbers;
    inputs.q_TK = in.q_TK->value;
    inputs.k_TK = in.k_TK->value;
    inputs.v_TV = in.v_TV->value;
    inputs.decay = in.decay->value;
    if (in.beta_TH) inputs.beta_TH = in.beta_TH->value;
    if (states_HKV.empty()) kernels::matrix_state(y->value, inputs, length, {});
    for (const GoesOn& s : states_HKV) {
        kernels::MatrixStateInputs own = inputs;
        for (TensorView* const in_rows : {&own.q_TK, &own.k_TK, &own.v_TV, &own.decay, &own.beta_TH})
            *in_rows = rows_of(*in_rows, s.row, s.rows);
        kernels::matrix_state(rows_of(y->value, s.row, s.rows), own, s.rows, s.state);
    }
    if (!y->wants_grad) return y;
    g.record({y}, [&g, in, inputs, length, y] {
        const auto backward = [&](std::span<const Tensor> d) {
            kernels::matrix_state_backward(
                {.q_TK = d[0], .k_TK = d[1], .v_TV = d[2], .decay = d[3], .beta_TH = in.beta_TH ? d[4] : Tensor{}},
                g.grad_of(y), inputs, length);
        };
        if (in.beta_TH)
            g.fill_grads({in.q_TK, in.k_TK, in.v_TV, in.decay, in.beta_TH}, DType::f32, backward);
        else
            g.fill_grads({in.q_TK, in.k_TK, in.v_TV, in.decay}, DType::f32, backward);
    });
    return y;
}

Var scale_columns(Graph& g, Var x, const Weight& w_H, FactorOf f) {
    const int64_t rows = x->value.rows(), width = x->value.cols(), heads = w_H.value.count();
    if (width % heads != 0) fail("scale_columns: {} factors for {} columns", heads, width);
    const int64_t each = width / heads;
    std::vector<float> factors(w_H.value.f32(), w_H.value.f32() + heads);
    const float sign = f == FactorOf::minus_exp ? -1 : 1;
    if (f != FactorOf::weight)
        for (float& factor : factors) factor = sign * std::exp(factor);
    const Var y = g.make(DType::f32, x->value.shape, x->wants_grad || w_H.grad);
    constexpr int64_t rows_of_task = 16;
    const auto scaled = [=](float* out, const float* in, const std::vector<float>& by, bool add) {
        parallel_chunks(rows, rows_of_task, [&](int64_t begin, int64_t end) {
            for (int64_t at = begin * width; at < end * width;)
                for (int64_t h = 0; h < heads; ++h)
                    for (int64_t i = 0; i < each; ++i, ++at)
                        out[at] = (add ? out[at] : 0) + by[static_cast<size_t>(h)] * in[at];
        });
    };
    scaled(y->value.f32(), x->value.f32(), factors, false);
    if (!y->wants_grad) return y;
    g.record({y}, [&g, x, w_H, f, y, factors = std::move(factors), scaled, rows, width, heads, each] {
        const float *dy = g.grad_of(y).f32(), *in = x->value.f32();
        if (x->wants_grad) scaled(g.grad_of(x).f32(), dy, factors, true);
        if (!w_H.grad) return;
        parallel_for(heads, [&](int64_t h) {
            float sum = 0;
            for (int64_t t = 0; t < rows; ++t)
                for (int64_t at = t * width + h * each; at < t * width + (h + 1) * each; ++at) sum += dy[at] * in[at];
            w_H.grad.f32()[h] += sum * (f == FactorOf::weight ? 1 : factors[static_cast<size_t>(h)]);
        });
    });
    return y;
}

}  // namespace gremium::ops
