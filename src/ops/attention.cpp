#include <vector>

#include "base/error.h"
#include "kernels/rowwise/rope.h"
#include "ops/ops.h"

namespace gremium::ops {

Var rope(Graph& g, Var x, TensorView cos_sin, std::span<const int32_t> positions, int64_t head_dim, int64_t n_rot,
         RopePairing pairing) {
    kernels::rope(x->value, cos_sin, positions, head_dim, n_rot, pairing);
    if (g.recording() && x->wants_grad) {
        g.record([&g, x, cos_sin, head_dim, n_rot, pairing,
                  positions = std::vector<int32_t>(positions.begin(), positions.end())] {
            if (x->grad) kernels::rope(g.grad_of(x), cos_sin, positions, head_dim, n_rot, pairing, true);
        });
    }
    return x;
}

Var attention(Graph& g, Var q, Var k, Var v, std::span<const AttentionSpan> spans, const AttentionShape& of_heads,
              int64_t sequence_length, const Weight& sinks) {
    const int64_t tokens = q->value.rows();
    AttentionShape shape = of_heads;
    shape.sinks = sinks ? sinks.value.f32() : nullptr;
    if (g.recording() && (!shape.causal || shape.bias || shape.softcap > 0))
        fail("attention: only causal attention without relative biases and caps can be trained");
    const bool trained = q->wants_grad || (k && k->wants_grad) || (v && v->wants_grad) || sinks.grad;
    const Var y = g.make(g.options().activation, {tokens, shape.heads * shape.value_dim}, trained);
    const Tensor lse = y->wants_grad ? g.arena().tensor(DType::f32, {tokens, shape.heads}) : Tensor{};
    kernels::attention(y->value, lse, q->value, spans, shape);
    if (!y->wants_grad) return y;
    g.record({y}, [&g, q, k, v, y, lse, shape, sequence_length, sinks] {
        const Tensor dy = g.grad_of(y);
        if (sinks.grad) kernels::attention_sinks_backward(sinks.grad, dy, y->value, lse, shape);
        const auto backward = [&](std::span<const Tensor> d) {
            kernels::attention_backward({.dq = d[0],
                                         .dk = d[1],
                                         .dv = v ? d[2] : Tensor{},
                                         .dout = dy,
                                         .out = y->value,
                                         .lse = lse,
                                         .q = q->value,
                                         .k = k->value,
                                         .v = v ? v->value : Tensor{},
                                         .sequence_length = sequence_length,
                                         .shape = shape});
        };
        if (v)
            g.fill_grads({q, k, v}, DType::f32, backward);
        else
            g.fill_grads({q, k}, DType::f32, backward);
    });
    return y;
}

}  // namespace gremium::ops
