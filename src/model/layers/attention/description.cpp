#include <algorithm>
#include <cmath>

#include "model/layers/attention/attention.h"
#include "model/layers/layer_cache.h"
#include "model/layers/row_bytes.h"
#include "model/spec/check.h"
#include "model/spec/tensors.h"

namespace gremium {

namespace {

void check_divisors(const std::vector<float>& values, int dims, const std::string& source) {
    if (!values.empty() && values.size() != static_cast<size_t>(dims / 2))
        fail("{}: {} rotary frequency divisors, expected {}", source, values.size(), dims / 2);
    for (float d : values)
        if (!(d > 0)) fail("{}: a rotary frequency divisor is {}, expected a positive number", source, d);
}

void check_rope(const RopeSpec& r, int head_dim, const Check& check) {
    const std::string& source = check.source;
    check.range(r.dims, 2, head_dim, "the number of rotary dimensions");
    if (r.dims % 2 != 0) fail("{}: the number of rotary dimensions is {}, expected an even one", source, r.dims);
    if (!(r.base > 0)) fail("{}: the rotary base is {}, expected a positive number", source, r.base);
    if (!(r.linear_factor > 0))
        fail("{}: the rotary scaling factor is {}, expected a positive number", source, r.linear_factor);
    check_divisors(r.divisors, r.dims, source);
    check_divisors(r.long_divisors, r.dims, source);
    check.range(r.original_context, 0, INT32_MAX, "the original context length");
    if (!(r.magnitude > 0)) fail("{}: the rotary magnitude is {}, expected a positive number", source, r.magnitude);
    if (!(r.yarn.factor >= 1) || !(r.yarn.beta_fast > 0) || !(r.yarn.beta_slow > 0))
        fail("{}: YaRN's factor is {} with betas {} and {}, expected at least 1 and positive ones", source,
             r.yarn.factor, r.yarn.beta_fast, r.yarn.beta_slow);
    if (r.yarn.factor > 1) check.range(r.original_context, 1, INT32_MAX, "the original context length");
}

void check_latent(const AttentionSpec& a, const Check& check) {
    if (a.rope.dims < 1 || a.rope.dims >= a.head_dim || a.kv_heads != a.heads)
        fail("{}: layer {}: latent attention wants heads of their own keys, partly rotated", check.source, check.layer);
    if (a.clip > 0) fail("{}: layer {}: clipped latent attention is not supported", check.source, check.layer);
    if (a.qkv_bias || a.qk_norm != QkNorm::none)
        fail("{}: layer {}: latent attention with biases or q/k norms is not supported", check.source, check.layer);
}

int64_t query_rows(const AttentionSpec& a) {
    return int64_t{a.heads} * (a.head_dim + (a.gate.beside_queries ? a.value_dim : 0));
}

void check_gate(const AttentionSpec& a, const Check& check) {
    const OutputGateSpec& gate = a.gate;
    if (gate.kind == GateKind::none ? gate.per_head || gate.beside_queries : gate.per_head && gate.beside_queries)
        fail("{}: layer {}: gates beside the queries are one an element, of a kind", check.source, check.layer);
    if (gate.beside_queries && (a.latent.rank > 0 || a.qk_norm == QkNorm::full))
        fail("{}: layer {}: gates beside the queries want queries of plain attention, normed a head at a time",
             check.source, check.layer);
}

void list_latent(const AttentionSpec& a, AttentionWeights& w, TensorList& list) {
    const int64_t q = int64_t{a.heads} * a.head_dim, rank = a.latent.rank, query_rank = a.latent.query_rank;
    if (query_rank > 0) {
        list.matrix("attn_q_a", w.q_a, query_rank, list.dim());
        list.add("attn_q_a_norm.weight", w.q_a_norm, {query_rank}, TensorRole::norm);
        list.matrix("attn_q_b", w.q_b, q, query_rank);
    } else {
        list.matrix("attn_q", w.q, q, list.dim(), {.matrix = Matrix::q, .heads = {.rotated = a.heads}});
    }
    list.matrix("attn_kv_a_mqa", w.kv_a, rank + a.rope.dims, list.dim());
    list.add("attn_kv_a_norm.weight", w.kv_a_norm, {rank}, TensorRole::norm);
    list.add("attn_k_b.weight", w.k_b, {a.heads, rank, a.head_dim - a.rope.dims}, TensorRole::matrix);
    list.add("attn_v_b.weight", w.v_b, {a.heads, a.value_dim, rank}, TensorRole::matrix);
}

void list_heads(const AttentionSpec& a, AttentionWeights& w, TensorList& list) {
    const int64_t k = int64_t{a.kv_heads} * a.head_dim;
    list.affine("attn_q", w.q, {w.q_bias, a.qkv_bias}, query_rows(a), list.dim(),
                {.matrix = Matrix::q, .heads = {.rotated = a.heads}});
    list.affine("attn_k", w.k, {w.k_bias, a.qkv_bias}, k, list.dim(),
                {.matrix = Matrix::k, .heads = {.rotated = a.kv_heads, .shared = a.kv_heads}});
    list.affine("attn_v", w.v, {w.v_bias, a.qkv_bias}, int64_t{a.kv_heads} * a.value_dim, list.dim(),
                {.matrix = Matrix::v, .heads = {.shared = a.kv_heads}});
}

void list_norms_of_heads(const AttentionSpec& a, AttentionWeights& w, TensorList& list) {
    if (a.qk_norm == QkNorm::per_head || a.qk_norm == QkNorm::after_rotation) {
        list.add("attn_q_norm.weight", w.q_norm, {a.head_dim}, TensorRole::norm, {.heads = {.rotated = 1}});
        list.add("attn_k_norm.weight", w.k_norm, {a.head_dim}, TensorRole::norm, {.heads = {.rotated = 1}});
    }
    if (a.qk_norm == QkNorm::full) {
        list.add("attn_q_norm.weight", w.q_norm, {int64_t{a.heads} * a.head_dim}, TensorRole::norm,
                 {.heads = {.rotated = a.heads}});
        list.add("attn_k_norm.weight", w.k_norm, {int64_t{a.kv_heads} * a.head_dim}, TensorRole::norm,
                 {.heads = {.rotated = a.kv_heads, .shared = a.kv_heads}});
    }
}

int64_t heads_bytes(const AttentionSpec& a, RowBytes t) {
    const int64_t q = int64_t{a.heads} * a.head_dim, k = int64_t{a.kv_heads} * a.head_dim;
    const int64_t v = int64_t{a.kv_heads} * a.value_dim;
    const int64_t normed = a.qk_norm == QkNorm::none ? 0 : t(q) + t(k);
    const int64_t clipped = a.clip > 0 ? t.f32(q) + t.f32(k) + t.f32(v) : 0;
    return t(q) + t(k) + t(v) + normed + clipped + t(int64_t{a.heads} * a.value_dim);
}

int64_t latent_bytes(const AttentionSpec& a, RowBytes t) {
    const int64_t rank = a.latent.rank, turned = a.rope.dims, q = int64_t{a.heads} * a.head_dim;
    // The queries in one piece, then in two parts.
    const int64_t queries = 2 * t(a.latent.query_rank) + 2 * t(q);
    const int64_t keys = 2 * t(rank + turned) + 2 * t(rank) + t(turned);
    const int64_t absorbed = t(a.heads * rank) + t(a.heads * (rank + turned));
    // Its products are laid out by head first.
    return queries + keys + absorbed + t(a.heads * rank) + t(int64_t{a.heads} * a.value_dim) +
           t(a.heads * std::max<int64_t>(rank, a.value_dim));
}

int64_t gate_bytes(const AttentionSpec& a, RowBytes t) {
    const int64_t heads = int64_t{a.heads} * a.value_dim;
    if (a.gate.kind == GateKind::none) return 0;
    if (a.gate.per_head) return 2 * t.f32(a.heads) + t(heads);
    return 2 * t(heads) + (a.gate.beside_queries ? t(query_rows(a)) : 0);
}

}  // namespace

float score_scale(const AttentionSpec& a) {
    const float scale = a.scale > 0 ? a.scale : 1 / std::sqrt(static_cast<float>(a.head_dim));
    const float longer = 1 + a.rope.yarn.log_multiplier * std::log(a.rope.yarn.factor);
    return scale * longer * longer;
}

void check(const AttentionSpec& a, const Check& check) {
    const std::string& source = check.source;
    check.range(a.heads, 1, max_heads, "the number of attention heads");
    check.range(a.kv_heads, 1, max_heads, "the number of key/value heads");
    check.range(a.head_dim, 1, max_width, "the key length of a head");
    check.range(a.value_dim, 1, max_width, "the value length of a head");
    check.range(a.window, 0, INT32_MAX, "the attention window");
    if (a.heads % a.kv_heads != 0)
        fail("{}: layer {} has {} attention heads, which {} key/value heads do not divide", source, check.layer,
             a.heads, a.kv_heads);
    check.range(a.chunk, 0, INT32_MAX, "the attention chunk");
    if (a.window > 0 && a.chunk > 0) fail("{}: layer {} has an attention window and a chunk", source, check.layer);
    if (!(a.scale >= 0)) fail("{}: the attention scale is {}, expected a positive number", source, a.scale);
    if (!(a.temperature >= 0))
        fail("{}: the attention temperature is {}, expected a positive number", source, a.temperature);
    if (a.temperature > 0) check.range(a.temperature_stretch, 1, INT32_MAX, "the stretch of the attention temperature");
    check.range(a.temperature_from, 0, 1, "the first position of the attention temperature");
    if (!(a.clip >= 0)) fail("{}: queries are clipped to {}, expected a positive number", source, a.clip);
    if (!(a.softcap >= 0)) fail("{}: scores are capped at {}, expected a positive number", source, a.softcap);
    if (!std::isfinite(a.value_scale) || a.value_scale == 0)
        fail("{}: the scale of values is {}, expected a number other than 0", source, a.value_scale);
    if (a.rope.enabled) check_rope(a.rope, a.head_dim, check);
    check.range(a.latent.rank, 0, max_width, "the rank of keys and values");
    check.range(a.latent.query_rank, 0, max_width, "the rank of queries");
    if (a.latent.rank > 0) check_latent(a, check);
    check_gate(a, check);
}

void check_relative_bias(const ModelSpec& spec, const Check& check) {
    const RelativeBiasSpec& bias = spec.relative_bias;
    check.range(bias.buckets, 0, max_heads, "the number of buckets of relative biases");
    if (bias.buckets == 0) return;
    const AttentionSpec* a = spec.layers.front().attention();
    if (!a) fail("{}: relative biases, but no attention in the first layer", check.source);
    check.range(bias.max_distance, bias.buckets / (a->causal ? 2 : 4) + 1, INT32_MAX,
                "the largest distance of relative biases");
    check.range(bias.buckets, a->causal ? 2 : 4, max_heads, "the number of buckets of relative biases");
    for_each_attention(spec, [&](const AttentionSpec& other) {
        if (other.heads != a->heads || other.causal != a->causal)
            fail("{}: layers differ in their heads but share relative biases", check.source);
    });
}

void list_tensors(const AttentionSpec& a, AttentionWeights& w, TensorList& list) {
    if (a.sinks) list.add("attn_sinks.weight", w.sinks, {a.heads}, TensorRole::sink);
    if (a.latent.rank > 0)
        list_latent(a, w, list);
    else
        list_heads(a, w, list);
    if (a.gate.kind != GateKind::none && !a.gate.beside_queries)
        list.matrix("attn_gate", w.gate, a.gate.per_head ? a.heads : int64_t{a.heads} * a.value_dim, list.dim());
    list.affine("attn_output", w.out, {w.out_bias, a.out_bias}, list.dim(), int64_t{a.heads} * a.value_dim,
                {.matrix = Matrix::attention_out, .spread = Spread::residual});
    if (a.latent.rank == 0) list_norms_of_heads(a, w, list);
}

void list_cross_tensors(const AttentionSpec& a, AttentionWeights& w, TensorList& list) {
    const int64_t q = int64_t{a.heads} * a.head_dim, k = int64_t{a.kv_heads} * a.head_dim;
    list.affine("cross_attn_q", w.q, {w.q_bias, a.qkv_bias}, q, list.dim(), {.matrix = Matrix::q});
    list.affine("cross_attn_k", w.k, {w.k_bias, a.qkv_bias}, k, list.dim(), {.matrix = Matrix::k});
    list.affine("cross_attn_v", w.v, {w.v_bias, a.qkv_bias}, int64_t{a.kv_heads} * a.value_dim, list.dim(),
                {.matrix = Matrix::v});
    list.affine("cross_attn_output", w.out, {w.out_bias, a.out_bias}, list.dim(), int64_t{a.heads} * a.value_dim,
                {.matrix = Matrix::attention_out});
}

LayerCache cache_of(const AttentionSpec& a) {
    if (a.latent.rank > 0)
        return {.key = int64_t{a.latent.rank} + a.rope.dims, .value = 0, .heads = a.kv_heads, .latent = true};
    return {.key = int64_t{a.kv_heads} * a.head_dim, .value = int64_t{a.kv_heads} * a.value_dim, .heads = a.kv_heads};
}

int64_t forward_bytes(const AttentionSpec& a, int64_t dim, const RowBytes& t) {
    const int64_t tempered = a.temperature == 0 ? 0 : t(int64_t{a.heads} * a.head_dim);
    return (a.latent.rank > 0 ? latent_bytes(a, t) : heads_bytes(a, t)) + gate_bytes(a, t) + tempered + t(dim);
}

int64_t cross_forward_bytes(const AttentionSpec& a, int64_t dim, const RowBytes& t) {
    return 2 * t(dim) + t(int64_t{a.heads} * a.head_dim) + t(int64_t{a.heads} * a.value_dim);
}

}  // namespace gremium
