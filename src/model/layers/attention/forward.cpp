#include <cmath>

#include "model/kv_cache.h"
#include "model/layers/attention/attention.h"
#include "model/layers/block.h"
#include "model/model.h"
#include "ops/ops.h"
#include "ops/stages.h"

namespace gremium {

namespace {

using ops::Graph;
using ops::Var;

Var rms(Graph& g, Var x, const BlockContext& context, const ops::Weight& w, int64_t group) {
    return ops::rms_norm(g, x, w, context.model.spec.norm.eps, group, g.options().activation);
}

Var rotate(Graph& g, Var x, const RopeSpec& rope, int64_t head_dim, const BlockContext& context) {
    if (!rope.enabled) return x;
    const RopeTables& tables = context.rope;
    return ops::rope(g, x, tables.of(rope), tables.rows(), head_dim, rope.dims, rope.pairing);
}

// Norms and rotates q or k; `w` is for one head or for the whole vector.
Var positioned(Graph& g, Var x, const AttentionSpec& a, const ops::Weight& w, const BlockContext& context) {
    if (a.clip > 0) x = ops::clip(g, x, a.clip);
    const bool last = a.qk_norm == QkNorm::rotated || a.qk_norm == QkNorm::after_rotation;
    if (w && !last) x = rms(g, x, context, w, w.value.count());
    if (a.rope.enabled) x = rotate(g, x, a.rope, a.head_dim, context);
    if (last) x = rms(g, x, context, w, a.head_dim);
    return x;
}

// The factor that AttentionSpec::temperature gives each token's queries.
Var tempered(Graph& g, Var q, const AttentionSpec& a, const BlockContext& context) {
    if (a.temperature == 0) return q;
    const std::span<const int32_t> positions = context.batch.positions;
    const Tensor factor = g.arena().tensor(DType::f32, {q->value.rows(), 1});
    for (size_t t = 0; t < positions.size(); ++t) {
        const int64_t stretches = (int64_t{positions[t]} + a.temperature_from) / a.temperature_stretch;
        factor.f32()[t] = 1 + a.temperature * std::log1p(static_cast<float>(stretches));
    }
    return ops::multiply_rows(g, q, g.input(factor));
}

// The operands of attention: projections of the input, rotated.
struct Projected {
    Var q, k, v;  // v: null if values are part of the keys
    Var gate;     // before its function; null without
    ops::AttentionShape shape;
};

// A gate of its own; one number a head is f32.
Var gate_of(Graph& g, Var x_TD, const AttentionSpec& a, const AttentionWeights& w) {
    if (!w.gate) return nullptr;
    return ops::linear(g, x_TD, w.gate, {}, a.gate.per_head ? DType::f32 : g.options().activation);
}

Var gated(Graph& g, Var heads, Var gate, const OutputGateSpec& spec) {
    const auto kind = spec.kind == GateKind::sigmoid ? ops::Activation::sigmoid : ops::Activation::softplus;
    if (!spec.per_head) return ops::activate(g, gate, heads, kind);
    return ops::multiply_rows(g, heads, ops::activate(g, gate, nullptr, kind));
}

Projected project(Graph& g, Var x_TD, const AttentionSpec& a, const AttentionWeights& w, const BlockContext& context) {
    const ops::Affine parts[] = {{w.q, w.q_bias}, {w.k, w.k_bias}, {w.v, w.v_bias}, {w.gate, {}}};
    const bool gate_too = w.gate && !a.gate.per_head;
    const std::vector<Var> qkv = ops::linears(g, x_TD, std::span(parts).first(gate_too ? 4 : 3));
    const bool beside = a.gate.beside_queries;
    const Var q = beside ? ops::head_columns(g, qkv[0], a.heads, 0, a.head_dim) : qkv[0];
    return {.q = tempered(g, positioned(g, q, a, w.q_norm, context), a, context),
            .k = positioned(g, qkv[1], a, w.k_norm, context),
            .v = a.clip > 0 ? ops::clip(g, qkv[2], a.clip) : qkv[2],
            .gate = beside     ? ops::head_columns(g, qkv[0], a.heads, a.head_dim, a.value_dim)
                    : gate_too ? qkv[3]
                               : gate_of(g, x_TD, a, w),
            .shape = {.heads = a.heads,
                      .kv_heads = a.kv_heads,
                      .head_dim = a.head_dim,
                      .value_dim = a.value_dim,
                      .scale = score_scale(a)}};
}

// Queries are projected into the latent space of the keys, q·(W_k c) = (W_kᵀ q)·c. One key [c | rotated], whose first
// part is also the value, then serves all heads (the absorbed form of DeepSeek-V2, 2024).
Projected project_latent(Graph& g, Var x_TD, const AttentionSpec& a, const AttentionWeights& w,
                         const BlockContext& context) {
    const int64_t rank = a.latent.rank, turned = a.rope.dims, plain = a.head_dim - turned;
    const bool low_rank = a.latent.query_rank > 0;
    const Var from = low_rank ? rms(g, ops::linear(g, x_TD, w.q_a), context, w.q_a_norm, a.latent.query_rank) : x_TD;
    const Var q = ops::linear(g, from, low_rank ? w.q_b : w.q);
    const Var q_plain = ops::head_columns(g, q, a.heads, 0, plain);
    const Var q_turned = rotate(g, ops::head_columns(g, q, a.heads, plain, turned), a.rope, turned, context);
    const Var kv = ops::linear(g, x_TD, w.kv_a);
    const Var latent = rms(g, ops::head_columns(g, kv, 1, 0, rank), context, w.kv_a_norm, rank);
    const Var k_turned = rotate(g, ops::head_columns(g, kv, 1, rank, turned), a.rope, turned, context);

    const Var q_latent = ops::heads_linear(g, q_plain, w.k_b, g.options().activation);
    return {
        .q = tempered(g, ops::concat_heads(g, q_latent, q_turned, a.heads), a, context),
        .k = ops::concat_heads(g, latent, k_turned, 1),
        .v = nullptr,
        .gate = gate_of(g, x_TD, a, w),
        .shape = {
            .heads = a.heads, .kv_heads = 1, .head_dim = rank + turned, .value_dim = rank, .scale = score_scale(a)}};
}

// Attention rounds its operands if the products around it do. In a running model, whose routers see the result, it does
// so only beyond this number of keys, where rounding pays. In training it always does, because recomputation must give
// the same bits with and without recording.
constexpr int64_t far = 1024;

DType compute_of(const Graph& g, const AttentionWeights& w) {
    const DType compute = g.options().compute;
    if (compute != DType::q8_0) return compute;
    return is_quantised(w.out.value.dtype) ? DType::bf16 : DType::f32;
}

// Each sequence of the batch attends to its own keys: those in its cache, or its rows of the batch.
std::vector<ops::AttentionSpan> spans(TensorView k, TensorView v, int layer, const BlockContext& context) {
    std::vector<ops::AttentionSpan> result;
    for (const SequenceRows& s : context.sequences) {
        KvCache::Views seen{ops::rows_of(k, s.row, s.rows), ops::rows_of(v, s.row, s.rows)};
        if (s.cache) seen = s.cache->append(layer, seen.k, seen.v, s.ahead);
        result.push_back({.q_row = s.row,
                          .queries = s.rows,
                          .first = s.cache ? s.cache->length() + s.ahead : 0,
                          .k = seen.k,
                          .v = seen.v});
    }
    return result;
}

}  // namespace

Var layer_forward(Graph& g, Var x_TD, const AttentionSpec& a, const AttentionWeights& w, int layer,
                  const BlockContext& context) {
    const bool latent = a.latent.rank > 0;
    Timed timer(ops::Stage::projections);
    Projected p = latent ? project_latent(g, x_TD, a, w, context) : project(g, x_TD, a, w, context);
    p.shape.window = a.window;
    p.shape.chunk = a.chunk;
    p.shape.causal = a.causal;
    p.shape.softcap = a.softcap;
    p.shape.compute = compute_of(g, w);
    p.shape.exact_keys = g.training() ? 0 : far;
    if (const RelativeBias& bias = context.relative_bias; bias.table) {
        p.shape.bias = bias.table.f32();
        p.shape.bias_stride = bias.table.cols();
        p.shape.bias_zero = bias.zero;
    }
    const TensorView values = p.v ? p.v->value.view() : TensorView{};
    timer.enter(ops::Stage::attention);
    const Var y = ops::attention(g, p.q, p.k, p.v, spans(p.k->value, values, layer, context), p.shape,
                                 context.sequence_length, w.sinks);
    timer.enter(ops::Stage::projections);
    Var heads = latent ? ops::heads_linear(g, y, w.v_b, g.options().activation) : y;
    if (p.gate) heads = gated(g, heads, p.gate, a.gate);
    if (a.value_scale != 1) heads = ops::scale(g, heads, a.value_scale);
    return ops::linear(g, heads, w.out, w.out_bias);
}

Var cross_forward(Graph& g, Var x_TD, const AttentionSpec& a, const AttentionWeights& w, int layer,
                  const BlockContext& context) {
    Timed timer(ops::Stage::projections);
    const Var q = ops::linear(g, x_TD, w.q, w.q_bias);
    timer.enter(ops::Stage::attention);
    std::vector<ops::AttentionSpan> sources;
    for (const SequenceRows& s : context.sequences) {
        const KvCache::Views source = s.cache->memory(layer);
        sources.push_back({.q_row = s.row, .queries = s.rows, .first = 0, .k = source.k, .v = source.v});
    }
    const ops::AttentionShape shape{.heads = a.heads,
                                    .kv_heads = a.kv_heads,
                                    .head_dim = a.head_dim,
                                    .value_dim = a.value_dim,
                                    .scale = score_scale(a),
                                    .causal = false,
                                    .compute = compute_of(g, w),
                                    .exact_keys = far};
    const Var y = ops::attention(g, q, nullptr, nullptr, sources, shape, q->value.rows());
    timer.enter(ops::Stage::projections);
    return ops::linear(g, y, w.out, w.out_bias);
}

void remember_source(Graph& g, Var source_SD, const Model& model, KvCache& cache) {
    for (int l = 0; l < static_cast<int>(model.spec.layers.size()); ++l) {
        const AttentionWeights& w = model.weights.layers[static_cast<size_t>(l)].cross;
        const Var k = ops::linear(g, source_SD, w.k, w.k_bias), v = ops::linear(g, source_SD, w.v, w.v_bias);
        cache.remember(l, k->value, v->value);
    }
}

}  // namespace gremium
