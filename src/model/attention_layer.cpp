#include <cmath>

#include "model/blocks.h"

namespace gremium {

namespace {

using ops::Graph;
using ops::Var;

Var qk_norm(Graph& g, Var x, const AttentionSpec& a, float eps, const ops::Weight& w) {
    if (a.qk_norm == QkNorm::none) return x;
    return ops::rms_norm(g, x, w, eps, w.value.count(),
                         g.options().activation);  // w: one head, or the whole vector
}

Var rotate(Graph& g, Var x, const AttentionSpec& a, const RopeTables& tables) {
    if (!a.rope.enabled) return x;
    return ops::rope(g, x, tables.of(a.rope), tables.rows(), a.head_dim, a.rope.dims, a.rope.pairing);
}

TensorView rows(TensorView t, int64_t begin, int64_t count) {
    return {t.row(begin), t.dtype, {count, t.cols()}};
}

// Each sequence of the batch sees its own keys, or everything in the cache.
std::vector<ops::AttentionSpan> spans(TensorView k, TensorView v, int layer, const BlockContext& context) {
    const int64_t tokens = k.rows(), length = context.sequence_length;
    if (context.cache) {
        const KvCache::Views all = context.cache->append(layer, k, v);
        return {{.q_row = 0, .queries = tokens, .first = context.cache->length(), .k = all.k, .v = all.v}};
    }
    std::vector<ops::AttentionSpan> result;
    for (int64_t row = 0; row < tokens; row += length)
        result.push_back({.q_row = row,
                          .queries = length,
                          .first = 0,
                          .k = rows(k, row, length),
                          .v = rows(v, row, length)});
    return result;
}

}  // namespace

Var attention_layer(Graph& g, Var x_TD, int layer, const BlockContext& context) {
    const AttentionSpec& a = *context.model.spec.layers[static_cast<size_t>(layer)].attention();
    const AttentionWeights& w = context.model.weights.layers[static_cast<size_t>(layer)].attention;
    const float eps = context.model.spec.norm.eps;

    Var q = ops::linear(g, x_TD, w.q, w.q_bias);
    Var k = ops::linear(g, x_TD, w.k, w.k_bias);
    const Var v = ops::linear(g, x_TD, w.v, w.v_bias);
    q = rotate(g, qk_norm(g, q, a, eps, w.q_norm), a, context.rope);
    k = rotate(g, qk_norm(g, k, a, eps, w.k_norm), a, context.rope);

    const ops::AttentionShape shape{
        .heads = a.heads,
        .kv_heads = a.kv_heads,
        .head_dim = a.head_dim,
        .value_dim = a.value_dim,
        .scale = a.scale > 0 ? a.scale : 1 / std::sqrt(static_cast<float>(a.head_dim)),
        .window = a.window,
    };
    const Var y =
        ops::attention(g, q, k, v, spans(k->value, v->value, layer, context), shape, context.sequence_length);
    return ops::linear(g, y, w.out, w.out_bias);
}

}  // namespace gremium
