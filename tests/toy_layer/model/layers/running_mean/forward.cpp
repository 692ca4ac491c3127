#include "model/kv_cache.h"
#include "model/layers/block.h"
#include "model/layers/running_mean/running_mean.h"
#include "ops/ops.h"

namespace gremium {

namespace {

using ops::Graph;
using ops::Var;

// One sequence; `last` (may be empty) is the mean before it and becomes that at its end.
void average(Tensor h_TC, TensorView x_TC, Tensor last, float keep) {
    for (int64_t c = 0; c < x_TC.cols(); ++c) {
        float mean = last ? last.f32()[c] : 0;
        for (int64_t t = 0; t < x_TC.rows(); ++t) {
            const int64_t i = t * x_TC.cols() + c;
            h_TC.f32()[i] = mean = keep * mean + (1 - keep) * x_TC.f32()[i];
        }
        if (last) last.f32()[c] = mean;
    }
}

void average_backward(Tensor dx_TC, TensorView dh_TC, float keep) {
    for (int64_t c = 0; c < dh_TC.cols(); ++c) {
        float sum = 0;
        for (int64_t t = dh_TC.rows() - 1; t >= 0; --t) {
            const int64_t i = t * dh_TC.cols() + c;
            sum = dh_TC.f32()[i] + keep * sum;
            dx_TC.f32()[i] = (1 - keep) * sum;
        }
    }
}

Var averages(Graph& g, Var x, float keep, int layer, const BlockContext& context) {
    const Var h = g.make(DType::f32, x->value.shape, x->wants_grad);
    for (const SequenceRows& s : context.sequences)
        average(ops::rows_of(h->value, s.row, s.rows), ops::rows_of(x->value.view(), s.row, s.rows),
                s.cache ? s.cache->state(layer, 0) : Tensor{}, keep);
    if (!h->wants_grad) return h;
    g.record({h}, [&g, x, h, keep, &context] {
        g.fill_grads({x}, DType::f32, [&](std::span<const Tensor> d) {
            const Tensor dh = g.grad_of(h);
            for (const SequenceRows& s : context.sequences)
                average_backward(ops::rows_of(d[0], s.row, s.rows), ops::rows_of(dh, s.row, s.rows), keep);
        });
    });
    return h;
}

}  // namespace

Var layer_forward(Graph& g, Var x_TD, const RunningMeanSpec& mean, const RunningMeanWeights& w, int layer,
                  const BlockContext& context) {
    const Var x_TC = ops::linear(g, x_TD, w.in, w.in_bias, DType::f32);
    const Var gate_TC = ops::linear(g, x_TD, w.gate);
    const Var h_TC = averages(g, x_TC, mean.keep, layer, context);
    return ops::linear(g, ops::activate(g, gate_TC, h_TC, ops::Activation::silu), w.out);
}

}  // namespace gremium
