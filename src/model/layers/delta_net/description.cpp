#include "model/layers/delta_net/delta_net.h"
#include "model/layers/layer_cache.h"
#include "model/layers/row_bytes.h"
#include "model/spec/check.h"
#include "model/spec/tensors.h"

namespace gremium {

namespace {

// Kimi's: everything apart.
void list_channels(const DeltaNetSpec& s, DeltaNetWeights& w, TensorList& list) {
    const int64_t K = s.keys(), V = s.values();
    const auto filter = [&](const char* name, ops::Weight& weight, int64_t rows) {
        list.add(name, weight, {rows, s.conv}, TensorRole::filter, {.spread = Spread::inputs});
    };
    const auto projected = [&](const char* name, const char* second, ops::Weight& a, ops::Weight& b, int64_t rows) {
        list.matrix(name, a, s.rank > 0 ? s.rank : rows, list.dim());
        if (s.rank > 0) list.matrix(second, b, rows, s.rank);
    };
    list.matrix("attn_q", w.q, K, list.dim());
    list.matrix("attn_k", w.k, K, list.dim());
    list.matrix("attn_v", w.v, V, list.dim());
    filter("ssm_conv1d_q.weight", w.conv_q, K);
    filter("ssm_conv1d_k.weight", w.conv_k, K);
    filter("ssm_conv1d_v.weight", w.conv_v, V);
    projected("ssm_f_a", "ssm_f_b", w.alpha, w.alpha_b, K);
    list.add("ssm_dt.bias", w.dt_bias, {K}, TensorRole::step_bias);
    list.add("ssm_a", w.a, {s.heads, 1}, TensorRole::rates);
    list.matrix("ssm_beta", w.beta, s.heads, list.dim());
    projected("ssm_g_a", "ssm_g_b", w.gate, w.gate_b, V);
    list.add("ssm_norm.weight", w.norm, {s.value_dim}, TensorRole::norm);
    list.matrix("attn_output", w.out, list.dim(), V, {.spread = Spread::residual});
}

}  // namespace

void check(const DeltaNetSpec& s, const Check& check) {
    check.range(s.key_heads, 1, max_heads, "the number of key heads of a delta net");
    check.range(s.heads, 1, max_heads, "the number of value heads of a delta net");
    check.range(s.key_dim, 1, max_width, "the width of a delta net's keys");
    check.range(s.value_dim, 1, max_width, "the width of a delta net's values");
    check.range(s.conv, 1, max_heads, "the width of the convolution");
    check.range(s.rank, 0, max_width, "the rank of a delta net's decays");
    if (s.heads % s.key_heads != 0)
        fail("{}: layer {} has {} value heads, which {} key heads do not divide", check.source, check.layer, s.heads,
             s.key_heads);
    if (!(s.lower_bound <= 0))
        fail("{}: the lower bound of decays is {}, expected a negative number", check.source, s.lower_bound);
    if (s.channels ? s.key_heads != s.heads : s.rank > 0 || s.lower_bound < 0)
        fail("{}: layer {}: {}", check.source, check.layer,
             s.channels ? "decays of channels want a key head for every head"
                        : "only decays of channels have a rank and a lower bound");
}

void list_tensors(const DeltaNetSpec& s, DeltaNetWeights& w, TensorList& list) {
    if (s.channels) return list_channels(s, w, list);
    const int64_t mixed = 2 * s.keys() + s.values();
    list.matrix("attn_qkv", w.qkv, mixed, list.dim());
    list.matrix("attn_gate", w.gate, s.values(), list.dim());
    list.add("ssm_conv1d.weight", w.conv, {mixed, s.conv}, TensorRole::filter, {.spread = Spread::inputs});
    list.add("ssm_dt.bias", w.dt_bias, {s.heads}, TensorRole::step_bias);
    list.add("ssm_a", w.a, {s.heads}, TensorRole::rates);
    list.matrix("ssm_beta", w.beta, s.heads, list.dim());
    list.matrix("ssm_alpha", w.alpha, s.heads, list.dim());
    list.add("ssm_norm.weight", w.norm, {s.value_dim}, TensorRole::norm);
    list.matrix("ssm_out", w.out, list.dim(), s.values(), {.spread = Spread::residual});
}

LayerCache cache_of(const DeltaNetSpec& s) {
    const Shape scan{s.heads, s.key_dim, s.value_dim};
    return {.states = {{s.conv - 1, 2 * s.keys() + s.values()}, scan}};
}

int64_t forward_bytes(const DeltaNetSpec& s, int64_t dim, const RowBytes& t) {
    const int64_t keys = t.f32(s.keys()), values = t.f32(s.values()), mixed = t.f32(2 * s.keys() + s.values());
    const int64_t decays = s.channels ? 3 * keys + 2 * t.f32(s.rank) : 3 * t.f32(s.heads);
    // Before and after the convolution and its activation, normed, and apart; the results, normed, gated.
    const int64_t parts = s.channels ? 2 * keys : 4 * keys + values;
    return 3 * mixed + parts + decays + 2 * t.f32(s.heads) + values + 3 * t(s.values()) + t(dim);
}

}  // namespace gremium
