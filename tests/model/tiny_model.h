// Small random models of every architecture, in memory.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "model/files/bind.h"
#include "model/model.h"
#include "model/spec/tensors.h"

namespace gremium::test {

struct TinyShape {
    int layers = 3, dim = 32, heads = 4, kv_heads = 2, head_dim = 8, hidden = 24, vocab = 300, context = 128;
    int experts = 6, top_k = 2, expert_hidden = 12, shared_hidden = 16, leading_dense = 1;
    bool tied = false;
    int ssm_state = 5, ssm_conv = 4, ssm_dt_rank = 3;
};

using Score = moe::RouterPolicy::Score;

inline void make_phi(ModelSpec& spec, MoeSpec& m) {
    spec.norm.kind = NormKind::layer;
    spec.norm.bias = spec.head_bias = true;
    m.router.score = Score::sparsemixer;
    m.router.sparse_epsilon = 0.3f;  // so that experts compete now and then
    for_each_attention(spec, [](AttentionSpec& a) {
        a.qkv_bias = a.out_bias = true;
        a.rope.original_context = 8;  // shorter than any test: the long divisors count
        a.rope.magnitude = 1.25f;
        for (int i = 0; i < a.rope.dims / 2; ++i) {
            a.rope.divisors.push_back(1 + 0.25f * static_cast<float>(i));
            a.rope.long_divisors.push_back(1 + 2 * static_cast<float>(i));
        }
    });
}

inline void make_gptoss(ModelSpec& spec, MoeSpec& m) {
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        AttentionSpec& a = *spec.layers[l].attention();
        a.qkv_bias = a.out_bias = a.sinks = true;
        a.window = l % 2 == 0 ? 7 : 0;
        a.rope.yarn = {.factor = 4, .truncate = false};
        a.rope.original_context = 32;
        a.rope.magnitude = static_cast<float>(1 + 0.1 * std::log(4.0));
    }
    m.router.score = Score::softmax_selected;
    m.router_bias = m.bias = true;
    m.activation = kernels::Activation::clamped_swiglu;
}

// Chunks, temperatures and norms as GGUF knows them: by heart.
inline void make_llama4(ModelSpec& spec, MoeSpec& m) {
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        AttentionSpec& a = *spec.layers[l].attention();
        a.rope.pairing = kernels::RopePairing::interleaved;
        const bool sees_all = l % 4 == 3;
        a.rope.enabled = !sees_all;
        a.chunk = sees_all ? 0 : 8192;
        a.temperature = sees_all ? 0.1f : 0;
        a.temperature_stretch = sees_all ? 8192 : 0;
        if (!sees_all) a.qk_norm = QkNorm::rotated;
    }
    m.router.score = Score::sigmoid;
    m.router.weight_on_input = true;
    m.shared_hidden = m.hidden;
}

inline void make_deepseek(ModelSpec& spec, MoeSpec& m, int head_dim) {
    for_each_attention(spec, [&](AttentionSpec& a) {
        a.kv_heads = a.heads;
        a.rope.dims = head_dim / 4 * 2;
        a.value_dim = head_dim + 1;
        a.latent = {.rank = head_dim + 6, .query_rank = 2 * head_dim};
        a.rope.pairing = kernels::RopePairing::interleaved;
        a.rope.yarn = {.factor = 8, .log_multiplier = 0.1f};
        a.rope.original_context = 32;
    });
    m.router.score = Score::sigmoid;
    m.router.correction_bias = m.router.normalise = true;
    m.router.scale = 2.5f;
    m.shared_hidden = m.hidden;
    if (m.router.experts % 2 == 0 && m.router.top_k <= m.router.experts / 2) {
        m.router.groups = 2;
        m.router.groups_used = 1;
        m.router.group_score = moe::RouterPolicy::GroupScore::two_best;
    }
}

// Models with recurrent layers beside those of attention.
inline Mixer other_mixer_of(const std::string& architecture, const TinyShape& s) {
    if (architecture.starts_with("lfm2")) return ShortConvSpec{.taps = 3, .channels = s.dim};
    if (architecture.starts_with("qwen3"))
        return DeltaNetSpec{
            .key_heads = 2, .heads = 6, .key_dim = 5, .value_dim = 4, .conv = s.ssm_conv, .log_rates = true};
    return Mamba2Spec{.inner = 2 * s.heads * s.head_dim,
                      .heads = s.heads,
                      .state = s.ssm_state + 3,
                      .groups = s.kv_heads,
                      .conv = s.ssm_conv,
                      .log_rates = true};
}

inline void make_hybrid(ModelSpec& spec, const TinyShape& s) {
    const std::string& name = spec.architecture;
    const bool nemotron = name == "nemotron_h_moe", qwen = name.starts_with("qwen3");
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        LayerSpec& layer = spec.layers[l];
        AttentionSpec& a = *layer.attention();
        if (qwen) a.gate = {.kind = GateKind::sigmoid, .beside_queries = true};
        if (!qwen && !name.starts_with("lfm2")) a.rope = {.enabled = false};
        if (qwen || name.starts_with("lfm2")) a.qk_norm = QkNorm::per_head;
        if (auto* m = std::get_if<MoeSpec>(&layer.feed_forward)) {
            m->router.normalise = name != "granitehybrid";
            if (name == "lfm2moe" || nemotron) m->router.score = Score::sigmoid, m->router.correction_bias = true;
            if (name == "granitehybrid") m->router.score = Score::softmax_selected;
            if (nemotron) m->router.scale = 2.5f, m->gated = false, m->latent = s.dim / 2;
            if (nemotron) m->activation = kernels::Activation::relu_squared;
            if (name != "lfm2moe") m->shared_hidden = s.shared_hidden;
            m->shared_gate = qwen;
        }
        if (l % 3 != (qwen ? 2u : 1u)) layer.mixer = other_mixer_of(name, s);
        if (!nemotron) continue;
        const DenseSpec dense{.hidden = s.hidden, .activation = kernels::Activation::relu_squared, .gated = false};
        if (l % 3 == 2) layer.mixer = NoMixer{};
        if (l % 3 != 2) layer.feed_forward = NoFeedForward{};
        if (l == 5) layer.feed_forward = dense;
    }
}

// What the families of the last years have of their own.
inline void add_peculiarities(ModelSpec& spec, const TinyShape& s) {
    MoeSpec* first = nullptr;
    for (LayerSpec& layer : spec.layers)
        if (auto* m = std::get_if<MoeSpec>(&layer.feed_forward); m && !first) first = m;
    if (!first) return;
    MoeSpec m = *first;
    if (spec.architecture == "granitemoe" || spec.architecture == "granitehybrid") {
        spec.embedding_scale = 3;
        spec.residual_scale = 0.5f;
        spec.logit_divisor = 2;
        m.router.score = Score::softmax_selected;
        for_each_attention(spec, [](AttentionSpec& a) { a.scale = 0.25f; });
    }
    if (spec.architecture == "phimoe") make_phi(spec, m);
    if (spec.architecture == "gptoss") make_gptoss(spec, m);
    if (spec.architecture == "llama4") make_llama4(spec, m);
    if (spec.architecture == "deepseek2") make_deepseek(spec, m, s.head_dim);
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        if (spec.layers[l].moe()) spec.layers[l].feed_forward = m;
        if (spec.architecture == "llama4" && l % 2 == 0 && spec.layers.size() > 1)
            spec.layers[l].feed_forward = DenseSpec{.hidden = s.hidden};
    }
}

inline ModelSpec tiny_spec(const std::string& architecture, const TinyShape& s = {}) {
    const auto is = [&](auto... names) { return ((architecture == names) || ...); };
    ModelSpec spec;
    spec.architecture = architecture;
    spec.name = "tiny-" + architecture;
    spec.dim = s.dim;
    spec.vocab = s.vocab;
    spec.context = s.context;
    spec.norm.eps = 1e-6f;
    spec.tied_head = s.tied;
    AttentionSpec a;
    a.heads = s.heads;
    a.kv_heads = s.kv_heads;
    a.head_dim = a.value_dim = a.rope.dims = s.head_dim;
    a.rope.base = 500000;
    a.qkv_bias = is("qwen2", "qwen2moe", "glm4moe");
    if (is("glm4moe")) a.rope.dims = s.head_dim / 4 * 2;
    if (is("qwen3", "qwen3moe", "dots1", "glm4moe")) a.qk_norm = QkNorm::per_head;
    if (is("olmoe")) a.qk_norm = QkNorm::full;

    MoeSpec m;
    m.router.experts = s.experts;
    m.router.top_k = s.top_k;
    m.router.normalise = is("mixtral", "qwen3moe", "dots1", "glm4moe");
    m.hidden = s.expert_hidden;
    if (is("qwen2moe")) {
        m.shared_hidden = s.shared_hidden;
        m.shared_gate = true;
    }
    if (is("dots1", "glm4moe")) {
        m.router.score = moe::RouterPolicy::Score::sigmoid;
        m.router.correction_bias = true;
        m.router.scale = 2.5f;
        m.shared_hidden = 2 * s.expert_hidden;
    }
    if (is("jamba")) {
        a.rope = {.enabled = false};
        m.hidden = s.hidden;
    }
    const SsmSpec ssm{.inner = 2 * s.dim,
                      .state = s.ssm_state,
                      .conv = s.ssm_conv,
                      .dt_rank = s.ssm_dt_rank,
                      .inner_norms = is("jamba"),
                      .log_rates = true};
    const bool mixture = !is("llama", "qwen2", "qwen3", "mamba", "lfm2", "qwen35");
    for (int l = 0; l < s.layers; ++l) {
        LayerSpec layer{a, DenseSpec{.hidden = s.hidden}};
        if (is("mamba", "moe_mamba") || (is("jamba") && l % 3 != 1)) layer.mixer = ssm;
        if (is("mamba")) layer.feed_forward = NoFeedForward{};
        const bool dense =
            (is("dots1", "deepseek2", "glm4moe", "lfm2moe") && l < s.leading_dense) || (is("jamba") && l % 2 == 0);
        if (mixture && !dense) layer.feed_forward = m;
        spec.layers.push_back(layer);
    }
    if (is("lfm2", "lfm2moe", "qwen3next", "qwen35", "qwen35moe", "granitehybrid", "nemotron_h_moe"))
        make_hybrid(spec, s);
    add_peculiarities(spec, s);
    return spec;
}

inline const std::vector<std::string>& tiny_architectures() {
    static const std::vector<std::string> all{
        "llama",      "mixtral", "qwen2",   "qwen3",     "qwen2moe",  "qwen3moe",  "olmoe",         "dots1",
        "granitemoe", "phimoe",  "gptoss",  "llama4",    "deepseek2", "glm4moe",   "jamba",         "mamba",
        "moe_mamba",  "lfm2",    "lfm2moe", "qwen3next", "qwen35",    "qwen35moe", "granitehybrid", "nemotron_h_moe"};
    return all;
}

// SentencePiece: 3 specials, 256 bytes, a few pieces, then unused ones up to `size`.
inline Vocabulary tiny_vocabulary(int size) {
    Vocabulary v;
    v.bos = 1;
    v.eos = 2;
    v.unk = 0;
    v.add_bos = true;
    v.add_space_prefix = true;
    const auto add = [&](std::string text, TokenType type, float score) {
        v.tokens.push_back(std::move(text));
        v.types.push_back(type);
        v.scores.push_back(score);
    };
    add("<unk>", TokenType::unknown, 0);
    add("<s>", TokenType::control, 0);
    add("</s>", TokenType::control, 0);
    for (int b = 0; b < 256; ++b) add(fmt::format("<0x{:02X}>", b), TokenType::byte, 0);
    for (const char* piece : {"\u2581", "a", "e", "h", "n", "r", "s", "t", "th", "he", "er", "\u2581the"})
        add(piece, TokenType::normal, -static_cast<float>(v.tokens.size()));
    while (v.size() < size) add(fmt::format("w{}", v.size()), TokenType::normal, -static_cast<float>(v.tokens.size()));
    return v;
}

using Tensors = std::map<std::string, OwnedTensor>;  // by canonical name, stacks whole

// Scaled so that logits are apart by about one and routing is not degenerate.
inline std::shared_ptr<Tensors> tiny_tensors(const ModelSpec& spec, uint64_t seed = 1) {
    const auto tensors = std::make_shared<Tensors>();
    uint64_t stream = 0;
    for (const TensorSlot& slot : tensor_slots(spec)) {
        Random random(seed, stream++);
        OwnedTensor tensor(DType::f32, slot.shape);
        double mean = 0, scale = 1.5 / std::sqrt(static_cast<double>(slot.shape[slot.shape.rank - 1]));
        if (slot.role == TensorRole::norm || slot.role == TensorRole::skip) mean = 1;
        if (slot.role == TensorRole::step_bias) mean = -2;
        if (slot.role == TensorRole::rates) scale = 0.5;
        const TensorRole small[] = {TensorRole::norm, TensorRole::bias, TensorRole::router_bias, TensorRole::sink,
                                    TensorRole::relative_bias};
        if (std::ranges::count(small, slot.role) > 0) scale = 0.1;
        if (slot.role == TensorRole::correction) scale = 0.2;
        if (slot.role == TensorRole::embedding && !spec.tied_head) scale = 1;
        for (int64_t i = 0; i < slot.shape.count(); ++i)
            tensor.get().f32()[i] = static_cast<float>(mean + scale * random.normal());
        tensors->emplace(slot.name, std::move(tensor));
    }
    return tensors;
}

inline std::shared_ptr<Model> tiny_model(const ModelSpec& spec, std::shared_ptr<Tensors> tensors) {
    auto model = bind_model(
        spec,
        [&](const TensorSlot& slot) {
            return ops::Weight{tensors->at(slot.name), {}};
        },
        moe::Residency::mapped);
    model->source = spec.name;
    model->storage = tensors;
    model->tokenizer = make_tokenizer(tiny_vocabulary(spec.vocab));
    return model;
}

inline std::shared_ptr<Model> tiny_model(const std::string& architecture, const TinyShape& shape = {},
                                         uint64_t seed = 1) {
    const ModelSpec spec = tiny_spec(architecture, shape);
    return tiny_model(spec, tiny_tensors(spec, seed));
}

inline std::vector<int32_t> random_tokens(int vocab, size_t count, uint64_t seed = 1) {
    Random random(seed, 99);
    std::vector<int32_t> tokens(count);
    for (int32_t& t : tokens) t = static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab)));
    return tokens;
}

}  // namespace gremium::test
