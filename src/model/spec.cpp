#include "model/spec.h"

#include "base/error.h"

namespace gremium {

namespace {

// Limits far above any published model; they keep products of sizes within 64 bits and a hostile header's
// memory small.
constexpr int max_layers = 4096, max_width = 1 << 24, max_heads = 1 << 16, max_experts = 1 << 16;

struct Checker {
    const std::string& source;

    void range(int64_t value, int64_t low, int64_t high, const char* what) const {
        if (value < low || value > high)
            fail("{}: {} is {}, expected {} to {}", source, what, value, low, high);
    }

    void mixer(const AttentionSpec& a, int layer) const {
        range(a.heads, 1, max_heads, "the number of attention heads");
        range(a.kv_heads, 1, max_heads, "the number of key/value heads");
        range(a.head_dim, 1, max_width, "the key length of a head");
        range(a.value_dim, 1, max_width, "the value length of a head");
        range(a.window, 0, INT32_MAX, "the attention window");
        if (a.heads % a.kv_heads != 0)
            fail("{}: layer {} has {} attention heads, which {} key/value heads do not divide", source, layer,
                 a.heads, a.kv_heads);
        if (!(a.scale >= 0))
            fail("{}: the attention scale is {}, expected a positive number", source, a.scale);
        if (a.rope.enabled) rope(a.rope, a.head_dim);
    }

    void rope(const RopeSpec& r, int head_dim) const {
        range(r.dims, 2, head_dim, "the number of rotary dimensions");
        if (r.dims % 2 != 0)
            fail("{}: the number of rotary dimensions is {}, expected an even one", source, r.dims);
        if (!(r.base > 0)) fail("{}: the rotary base is {}, expected a positive number", source, r.base);
        if (!(r.linear_factor > 0))
            fail("{}: the rotary scaling factor is {}, expected a positive number", source, r.linear_factor);
        if (!r.divisors.empty() && r.divisors.size() != static_cast<size_t>(r.dims / 2))
            fail("{}: {} rotary frequency divisors, expected {}", source, r.divisors.size(), r.dims / 2);
        for (float d : r.divisors)
            if (!(d > 0)) fail("{}: a rotary frequency divisor is {}, expected a positive number", source, d);
    }

    void feed_forward(const DenseSpec& dense) const {
        range(dense.hidden, 1, max_width, "the feed-forward width");
    }

    void feed_forward(const MoeSpec& m) const {
        range(m.router.experts, 1, max_experts, "the number of experts");
        range(m.router.top_k, 1, m.router.experts, "the number of experts used by a token");
        range(m.hidden, 1, max_width, "the width of an expert");
        range(m.shared_hidden, 0, max_width, "the width of the shared experts");
        if (m.shared_gate && m.shared_hidden == 0)
            fail("{}: a gate for shared experts, but no shared experts", source);
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

    void mixer(const AttentionSpec& a) {
        const int64_t q = int64_t{a.heads} * a.head_dim, k = int64_t{a.kv_heads} * a.head_dim;
        projection("attn_q", q, spec.dim, a.qkv_bias);
        projection("attn_k", k, spec.dim, a.qkv_bias);
        projection("attn_v", int64_t{a.kv_heads} * a.value_dim, spec.dim, a.qkv_bias);
        projection("attn_output", spec.dim, int64_t{a.heads} * a.value_dim, a.out_bias);
        if (a.qk_norm == QkNorm::none) return;
        const bool per_head = a.qk_norm == QkNorm::per_head;
        add("attn_q_norm.weight", {per_head ? a.head_dim : q}, TensorRole::norm);
        add("attn_k_norm.weight", {per_head ? a.head_dim : k}, TensorRole::norm);
    }

    void gated(const std::string& suffix, int64_t hidden) {
        add("ffn_gate" + suffix + ".weight", {hidden, spec.dim}, TensorRole::matrix);
        add("ffn_up" + suffix + ".weight", {hidden, spec.dim}, TensorRole::matrix);
        add("ffn_down" + suffix + ".weight", {spec.dim, hidden}, TensorRole::matrix);
    }

    void feed_forward(const DenseSpec& dense) { gated("", dense.hidden); }

    void feed_forward(const MoeSpec& m) {
        const int64_t e = m.router.experts;
        add("ffn_gate_inp.weight", {e, spec.dim}, TensorRole::router);
        if (m.router.correction_bias) add("exp_probs_b.bias", {e}, TensorRole::correction);
        add("ffn_gate_exps.weight", {e, m.hidden, spec.dim}, TensorRole::expert);
        add("ffn_up_exps.weight", {e, m.hidden, spec.dim}, TensorRole::expert);
        add("ffn_down_exps.weight", {e, spec.dim, m.hidden}, TensorRole::expert);
        if (m.shared_hidden > 0) gated("_shexp", m.shared_hidden);
        if (m.shared_gate) add("ffn_gate_inp_shexp.weight", {spec.dim}, TensorRole::router);
    }
};

}  // namespace

void validate(const ModelSpec& spec, const std::string& source) {
    const Checker check{source};
    check.range(spec.dim, 1, max_width, "the embedding length");
    check.range(spec.vocab, 1, max_width, "the vocabulary size");
    check.range(spec.context, 1, INT32_MAX, "the context length");
    check.range(static_cast<int64_t>(spec.layers.size()), 1, max_layers, "the number of layers");
    if (!(spec.norm.eps >= 0))
        fail("{}: the norm's epsilon is {}, expected a positive number", source, spec.norm.eps);
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        std::visit([&](const auto& part) { check.mixer(part, static_cast<int>(l)); }, spec.layers[l].mixer);
        std::visit([&](const auto& part) { check.feed_forward(part); }, spec.layers[l].feed_forward);
    }
}

std::vector<TensorSlot> tensor_slots(const ModelSpec& spec) {
    SlotList list{spec, {}};
    list.add("token_embd.weight", {spec.vocab, spec.dim}, TensorRole::embedding);
    list.norm("output_norm");
    if (!spec.tied_head) list.add("output.weight", {spec.vocab, spec.dim}, TensorRole::head);
    for (const LayerSpec& layer : spec.layers) {
        ++list.layer;
        list.norm("attn_norm");
        std::visit([&](const auto& part) { list.mixer(part); }, layer.mixer);
        list.norm("ffn_norm");
        std::visit([&](const auto& part) { list.feed_forward(part); }, layer.feed_forward);
    }
    return std::move(list.slots);
}

TensorSlot part_of(const TensorSlot& stack, int expert) {
    return {stack.name, {stack.shape[1], stack.shape[2]}, stack.role, stack.layer, expert};
}

ModelSize size_of(const ModelSpec& spec) {
    ModelSize size;
    int64_t multiplied = 0;  // parameters of matrices that a token meets
    for (const TensorSlot& slot : tensor_slots(spec)) {
        const int64_t count = slot.shape.count();
        int64_t active = count;
        if (slot.role == TensorRole::embedding) active = spec.tied_head ? count : spec.dim;
        if (slot.role == TensorRole::expert) {
            const moe::RouterPolicy& router = spec.layers[static_cast<size_t>(slot.layer)].moe()->router;
            active = count / router.experts * router.top_k;
        }
        size.total_parameters += count;
        size.active_parameters += active;
        const bool looked_up = slot.role == TensorRole::embedding && !spec.tied_head;
        const bool vector = slot.shape.rank == 1 && slot.role != TensorRole::router;
        if (!looked_up && !vector) multiplied += active;
    }
    size.flops_per_token = 2 * multiplied;
    return size;
}

}  // namespace gremium
