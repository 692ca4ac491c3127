#include "model/spec/spec.h"

#include <cmath>

#include "base/error.h"

namespace gremium {

namespace {

// Limits far above any published model; they keep products of sizes within 64 bits and a hostile header's
// memory small.
constexpr int max_layers = 4096, max_width = 1 << 24, max_heads = 1 << 16, max_experts = 1 << 16;

struct Checker {
    const std::string& source;

    void range(int64_t value, int64_t low, int64_t high, const char* what) const {
        if (value < low || value > high) fail("{}: {} is {}, expected {} to {}", source, what, value, low, high);
    }

    void mixer(const AttentionSpec& a, int layer) const {
        range(a.heads, 1, max_heads, "the number of attention heads");
        range(a.kv_heads, 1, max_heads, "the number of key/value heads");
        range(a.head_dim, 1, max_width, "the key length of a head");
        range(a.value_dim, 1, max_width, "the value length of a head");
        range(a.window, 0, INT32_MAX, "the attention window");
        if (a.heads % a.kv_heads != 0)
            fail("{}: layer {} has {} attention heads, which {} key/value heads do not divide", source, layer, a.heads,
                 a.kv_heads);
        range(a.chunk, 0, INT32_MAX, "the attention chunk");
        if (a.window > 0 && a.chunk > 0) fail("{}: layer {} has an attention window and a chunk", source, layer);
        if (!(a.scale >= 0)) fail("{}: the attention scale is {}, expected a positive number", source, a.scale);
        if (!(a.temperature >= 0))
            fail("{}: the attention temperature is {}, expected a positive number", source, a.temperature);
        if (a.temperature > 0) range(a.temperature_stretch, 1, INT32_MAX, "the stretch of a temperature");
        if (a.rope.enabled) rope(a.rope, a.head_dim);
        range(a.latent.rank, 0, max_width, "the rank of keys and values");
        range(a.latent.query_rank, 0, max_width, "the rank of queries");
        if (a.latent.rank > 0) latent(a, layer);
    }

    void latent(const AttentionSpec& a, int layer) const {
        if (!a.rope.enabled || a.rope.dims >= a.head_dim || a.kv_heads != a.heads)
            fail("{}: layer {}: latent attention wants heads of their own keys, partly rotated", source, layer);
        if (a.qkv_bias || a.qk_norm != QkNorm::none)
            fail("{}: layer {}: latent attention with biases or q/k norms is not supported", source, layer);
    }

    void rope(const RopeSpec& r, int head_dim) const {
        range(r.dims, 2, head_dim, "the number of rotary dimensions");
        if (r.dims % 2 != 0) fail("{}: the number of rotary dimensions is {}, expected an even one", source, r.dims);
        if (!(r.base > 0)) fail("{}: the rotary base is {}, expected a positive number", source, r.base);
        if (!(r.linear_factor > 0))
            fail("{}: the rotary scaling factor is {}, expected a positive number", source, r.linear_factor);
        divisors(r.divisors, r.dims);
        divisors(r.long_divisors, r.dims);
        range(r.original_context, 0, INT32_MAX, "the original context length");
        if (!(r.magnitude > 0)) fail("{}: the rotary magnitude is {}, expected a positive number", source, r.magnitude);
        if (!(r.yarn.factor >= 1) || !(r.yarn.beta_fast > 0) || !(r.yarn.beta_slow > 0))
            fail("{}: YaRN's factor is {} with betas {} and {}, expected at least 1 and positive ones", source,
                 r.yarn.factor, r.yarn.beta_fast, r.yarn.beta_slow);
        if (r.yarn.factor > 1) range(r.original_context, 1, INT32_MAX, "the original context length");
    }

    void divisors(const std::vector<float>& values, int dims) const {
        if (!values.empty() && values.size() != static_cast<size_t>(dims / 2))
            fail("{}: {} rotary frequency divisors, expected {}", source, values.size(), dims / 2);
        for (float d : values)
            if (!(d > 0)) fail("{}: a rotary frequency divisor is {}, expected a positive number", source, d);
    }

    void mixer(const SsmSpec& s, int) const {
        range(s.inner, 1, max_width, "the number of state space channels");
        range(s.state, 1, max_heads, "the recurrent state of a channel");
        range(s.conv, 1, max_heads, "the width of the convolution");
        range(s.dt_rank, 1, max_width, "the rank of the step sizes");
    }

    void relative_bias(const ModelSpec& spec) const {
        const RelativeBiasSpec& bias = spec.relative_bias;
        range(bias.buckets, 0, max_heads, "the number of distances with a bias");
        if (bias.buckets == 0) return;
        const AttentionSpec* a = spec.layers.front().attention();
        if (!a) fail("{}: biases of distances, but no attention in the first layer", source);
        range(bias.max_distance, bias.buckets / (a->causal ? 2 : 4) + 1, INT32_MAX, "the largest distance with a bias");
        range(bias.buckets, a->causal ? 2 : 4, max_heads, "the number of distances with a bias");
        for_each_attention(spec, [&](const AttentionSpec& other) {
            if (other.heads != a->heads || other.causal != a->causal)
                fail("{}: layers differ in their heads but share biases of distances", source);
        });
    }

    void feed_forward(const NoFeedForward&) const {}

    void feed_forward(const DenseSpec& dense) const { range(dense.hidden, 1, max_width, "the feed-forward width"); }

    void feed_forward(const MoeSpec& m) const {
        range(m.router.experts, 1, max_experts, "the number of experts");
        range(m.router.top_k, 1, m.router.experts, "the number of experts used by a token");
        router(m.router);
        range(m.hidden, 1, max_width, "the width of an expert");
        range(m.shared_hidden, 0, max_width, "the width of the shared experts");
        if (m.shared_gate && m.shared_hidden == 0) fail("{}: a gate for shared experts, but no shared experts", source);
    }

    void router(const moe::RouterPolicy& r) const {
        range(r.groups, 1, r.experts, "the number of groups of experts");
        range(r.groups_used, 1, r.groups, "the number of groups used by a token");
        if (r.experts % r.groups != 0) fail("{}: {} groups do not divide {} experts", source, r.groups, r.experts);
        range(r.top_k, 1, r.experts / r.groups * r.groups_used, "the number of experts used by a token");
        range(r.capacity, 0, INT32_MAX, "the capacity of an expert");
        if (!(r.capacity_factor >= 0))
            fail("{}: the capacity factor is {}, expected a positive number", source, r.capacity_factor);
        if (r.second != moe::RouterPolicy::Second::best && r.top_k != 2)
            fail("{}: a random second choice wants 2 experts used by a token, not {}", source, r.top_k);
        const bool sparsemixer = r.score == moe::RouterPolicy::Score::sparsemixer;
        if (sparsemixer && (r.correction_bias || r.groups > 1 || !(r.sparse_epsilon > 0)))
            fail("{}: SparseMixer wants a positive epsilon, no correction bias and no groups", source);
    }

    void scale(float value, const char* what) const {
        if (!(value > 0) || !std::isfinite(value))
            fail("{}: {} is {}, expected a positive number", source, what, value);
    }
};

// Appends slots in the order in which files are written.
struct SlotList {
    const ModelSpec& spec;
    std::vector<TensorSlot> slots;
    int layer = -1;

    void add(const std::string& name, Shape shape, TensorRole role) {
        slots.push_back({layer < 0 ? name : "blk." + std::to_string(layer) + "." + name, shape, role, layer});
    }
    void norm(const std::string& name) {
        add(name + ".weight", {spec.dim}, TensorRole::norm);
        if (spec.norm.bias) add(name + ".bias", {spec.dim}, TensorRole::bias);
    }
    void projection(const std::string& name, int64_t out, int64_t in, bool bias) {
        add(name + ".weight", {out, in}, TensorRole::matrix);
        if (bias) add(name + ".bias", {out}, TensorRole::bias);
    }

    void latent(const AttentionSpec& a) {
        const int64_t q = int64_t{a.heads} * a.head_dim, rank = a.latent.rank, query_rank = a.latent.query_rank;
        if (query_rank > 0) {
            projection("attn_q_a", query_rank, spec.dim, false);
            add("attn_q_a_norm.weight", {query_rank}, TensorRole::norm);
            projection("attn_q_b", q, query_rank, false);
        } else {
            projection("attn_q", q, spec.dim, false);
        }
        projection("attn_kv_a_mqa", rank + a.rope.dims, spec.dim, false);
        add("attn_kv_a_norm.weight", {rank}, TensorRole::norm);
        add("attn_k_b.weight", {a.heads, rank, a.head_dim - a.rope.dims}, TensorRole::matrix);
        add("attn_v_b.weight", {a.heads, a.value_dim, rank}, TensorRole::matrix);
        projection("attn_output", spec.dim, int64_t{a.heads} * a.value_dim, a.out_bias);
    }

    void mixer(const AttentionSpec& a) {
        if (a.sinks) add("attn_sinks.weight", {a.heads}, TensorRole::bias);
        if (a.latent.rank > 0) return latent(a);
        const int64_t q = int64_t{a.heads} * a.head_dim, k = int64_t{a.kv_heads} * a.head_dim;
        projection("attn_q", q, spec.dim, a.qkv_bias);
        projection("attn_k", k, spec.dim, a.qkv_bias);
        projection("attn_v", int64_t{a.kv_heads} * a.value_dim, spec.dim, a.qkv_bias);
        projection("attn_output", spec.dim, int64_t{a.heads} * a.value_dim, a.out_bias);
        if (a.qk_norm == QkNorm::none || a.qk_norm == QkNorm::rotated) return;
        const bool per_head = a.qk_norm == QkNorm::per_head;
        add("attn_q_norm.weight", {per_head ? a.head_dim : q}, TensorRole::norm);
        add("attn_k_norm.weight", {per_head ? a.head_dim : k}, TensorRole::norm);
    }

    void mixer(const SsmSpec& s) {
        projection("ssm_in", 2 * int64_t{s.inner}, spec.dim, false);
        add("ssm_conv1d.weight", {s.inner, s.conv}, TensorRole::filter);
        add("ssm_conv1d.bias", {s.inner}, TensorRole::bias);
        projection("ssm_x", int64_t{s.dt_rank} + 2 * int64_t{s.state}, s.inner, false);
        if (s.inner_norms) {
            add("ssm_dt_norm.weight", {s.dt_rank}, TensorRole::norm);
            add("ssm_b_norm.weight", {s.state}, TensorRole::norm);
            add("ssm_c_norm.weight", {s.state}, TensorRole::norm);
        }
        projection("ssm_dt", s.inner, s.dt_rank, false);
        add("ssm_dt.bias", {s.inner}, TensorRole::step_bias);
        add("ssm_a", {s.inner, s.state}, TensorRole::rates);
        add("ssm_d", {s.inner}, TensorRole::skip);
        projection("ssm_out", spec.dim, s.inner, false);
    }

    void cross(const AttentionSpec& a) {
        norm("cross_attn_norm");
        projection("cross_attn_q", int64_t{a.heads} * a.head_dim, spec.dim, a.qkv_bias);
        projection("cross_attn_k", int64_t{a.kv_heads} * a.head_dim, spec.dim, a.qkv_bias);
        projection("cross_attn_v", int64_t{a.kv_heads} * a.value_dim, spec.dim, a.qkv_bias);
        projection("cross_attn_output", spec.dim, int64_t{a.heads} * a.value_dim, a.out_bias);
    }

    void matrices(const std::string& suffix, int64_t hidden, bool gated, bool bias) {
        if (gated) projection("ffn_gate" + suffix, hidden, spec.dim, bias);
        projection("ffn_up" + suffix, hidden, spec.dim, bias);
        projection("ffn_down" + suffix, spec.dim, hidden, bias);
    }

    void feed_forward(const NoFeedForward&) {}
    void feed_forward(const DenseSpec& dense) { matrices("", dense.hidden, dense.gated, dense.bias); }

    void feed_forward(const MoeSpec& m) {
        const int64_t e = m.router.experts;
        add("ffn_gate_inp.weight", {e, spec.dim}, TensorRole::router);
        if (m.router_bias) add("ffn_gate_inp.bias", {e}, TensorRole::bias);
        if (m.router.correction_bias) add("exp_probs_b.bias", {e}, TensorRole::correction);
        if (m.gated) add("ffn_gate_exps.weight", {e, m.hidden, spec.dim}, TensorRole::expert);
        add("ffn_up_exps.weight", {e, m.hidden, spec.dim}, TensorRole::expert);
        add("ffn_down_exps.weight", {e, spec.dim, m.hidden}, TensorRole::expert);
        if (m.bias) {
            if (m.gated) add("ffn_gate_exps.bias", {e, m.hidden}, TensorRole::expert_bias);
            add("ffn_up_exps.bias", {e, m.hidden}, TensorRole::expert_bias);
            add("ffn_down_exps.bias", {e, spec.dim}, TensorRole::expert_bias);
        }
        if (m.shared_hidden > 0) matrices("_shexp", m.shared_hidden, m.gated, false);
        if (m.shared_gate) add("ffn_gate_inp_shexp.weight", {spec.dim}, TensorRole::router);
    }
};

}  // namespace

float score_scale(const AttentionSpec& a) {
    const float scale = a.scale > 0 ? a.scale : 1 / std::sqrt(static_cast<float>(a.head_dim));
    const float longer = 1 + a.rope.yarn.log_multiplier * std::log(a.rope.yarn.factor);
    return scale * longer * longer;
}

CacheWidths cache_widths(const AttentionSpec& a) {
    if (a.latent.rank > 0) return {int64_t{a.latent.rank} + a.rope.dims, 0};
    return {int64_t{a.kv_heads} * a.head_dim, int64_t{a.kv_heads} * a.value_dim};
}

void validate(const ModelSpec& spec, const std::string& source) {
    const Checker check{source};
    check.range(spec.dim, 1, max_width, "the embedding length");
    check.range(spec.vocab, 1, max_width, "the vocabulary size");
    check.range(spec.context, 1, INT32_MAX, "the context length");
    check.range(static_cast<int64_t>(spec.layers.size()), 1, max_layers, "the number of layers");
    if (!(spec.norm.eps >= 0)) fail("{}: the norm's epsilon is {}, expected a positive number", source, spec.norm.eps);
    check.scale(spec.embedding_scale, "the embedding scale");
    check.scale(spec.residual_scale, "the residual scale");
    check.scale(spec.logit_divisor, "the divisor of logits");
    check.relative_bias(spec);
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const LayerSpec& layer = spec.layers[l];
        std::visit([&](const auto& part) { check.mixer(part, static_cast<int>(l)); }, layer.mixer);
        std::visit([&](const auto& part) { check.feed_forward(part); }, layer.feed_forward);
        if (layer.cross.has_value() != (spec.encoder.size() == 1))
            fail("{}: layer {} {} an encoder to attend to", source, l, layer.cross ? "lacks" : "does not look at");
        if (layer.cross) check.mixer(*layer.cross, static_cast<int>(l));
    }
    for (const ModelSpec& encoder : spec.encoder) {
        if (encoder.dim != spec.dim || encoder.vocab != spec.vocab || !encoder.tied_head || !encoder.encoder.empty())
            fail("{}: the encoder does not have the decoder's embeddings", source);
        validate(encoder, source);
    }
}

std::vector<TensorSlot> tensor_slots(const ModelSpec& spec) {
    SlotList list{spec, {}};
    list.add("token_embd.weight", {spec.vocab, spec.dim}, TensorRole::embedding);
    list.norm("output_norm");
    if (!spec.tied_head) list.add("output.weight", {spec.vocab, spec.dim}, TensorRole::head);
    if (spec.head_bias) list.add("output.bias", {spec.vocab}, TensorRole::bias);
    if (spec.relative_bias.buckets > 0)
        list.add("blk.0.attn_rel_b.weight", {spec.relative_bias.buckets, spec.layers.front().attention()->heads},
                 TensorRole::bias);
    for (const LayerSpec& layer : spec.layers) {
        ++list.layer;
        list.norm("attn_norm");
        std::visit([&](const auto& part) { list.mixer(part); }, layer.mixer);
        if (layer.cross) list.cross(*layer.cross);
        if (layer.has_feed_forward()) list.norm("ffn_norm");
        std::visit([&](const auto& part) { list.feed_forward(part); }, layer.feed_forward);
    }
    for (const ModelSpec& encoder : spec.encoder)
        for (const TensorSlot& slot : tensor_slots(encoder))
            if (slot.role != TensorRole::embedding) list.slots.push_back(in_encoder(slot));
    return std::move(list.slots);
}

TensorSlot in_encoder(TensorSlot slot) {
    if (slot.role == TensorRole::embedding) return slot;  // the decoder's
    slot.name.insert(0, "enc.");
    slot.of_encoder = true;
    return slot;
}

const LayerSpec* layer_of(const ModelSpec& spec, const TensorSlot& slot) {
    if (slot.layer < 0) return nullptr;
    const ModelSpec& stack = slot.of_encoder ? spec.encoder.front() : spec;
    return &stack.layers[static_cast<size_t>(slot.layer)];
}

TensorSlot part_of(const TensorSlot& stack, int expert) {
    Shape shape{stack.shape[1]};
    if (stack.shape.rank == 3) shape = {stack.shape[1], stack.shape[2]};
    return {stack.name, shape, stack.role, stack.layer, expert, stack.of_encoder};
}

ModelSize size_of(const ModelSpec& spec) {
    ModelSize size;
    int64_t multiplied = 0;  // parameters of matrices that a token meets
    for (const TensorSlot& slot : tensor_slots(spec)) {
        const int64_t count = slot.shape.count();
        int64_t active = count;
        if (slot.role == TensorRole::embedding) active = spec.tied_head ? count : spec.dim;
        if (slot.of_experts()) {
            const moe::RouterPolicy& router = layer_of(spec, slot)->moe()->router;
            active = count / router.experts * router.top_k;
        }
        size.total_parameters += count;
        size.active_parameters += active;
        const bool looked_up = slot.role == TensorRole::embedding && !spec.tied_head;
        const bool vector = (slot.shape.rank == 1 && slot.role != TensorRole::router) ||
                            slot.role == TensorRole::expert_bias || slot.role == TensorRole::rates;
        if (!looked_up && !vector) multiplied += active;
    }
    size.flops_per_token = 2 * multiplied;
    return size;
}

}  // namespace gremium
