#include <cmath>

#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

namespace {

constexpr int max_layers = 4096;  // before anything is allocated per layer

std::vector<int32_t> per_layer(const Metadata& metadata, std::string_view name, size_t layers) {
    if (auto values = metadata.find_per_layer<int32_t>(key(metadata, name), layers)) return *values;
    fail("{}: metadata key {} is missing", metadata.source(), key(metadata, name));
}

void read_scaling(const Metadata& metadata, RopeSpec& rope) {
    const auto k = [&](std::string_view name) { return key(metadata, "rope.scaling." + std::string(name)); };
    const std::string type = metadata.get<std::string>(k("type"), "none");
    rope.magnitude = metadata.get<float>(k("attn_factor"), 1.0f);
    if (type == "linear") rope.linear_factor = metadata.require<float>(k("factor"));
    if (type == "none" || type == "linear" || type == "longrope") return;
    if (type != "yarn")
        fail(
            "{}: rotary scaling of type \"{}\" is not supported (none, linear, yarn, longrope, and divisors "
            "in "
            "tensors are)",
            metadata.source(), type);
    rope.yarn = {.factor = metadata.require<float>(k("factor")),
                 .beta_fast = metadata.get<float>(k("yarn_beta_fast"), 32.0f),
                 .beta_slow = metadata.get<float>(k("yarn_beta_slow"), 1.0f),
                 .truncate = metadata.get<bool>(k("yarn_truncate"), true),  // our own: llama.cpp always does
                 .log_multiplier = metadata.get<float>(k("yarn_log_multiplier"), 0.0f)};
    rope.original_context = metadata.require<int32_t>(k("original_context_length"));
    // Where scores grow with the factor, cosines and sines do not (DeepSeek).
    if (rope.yarn.log_multiplier == 0) rope.magnitude *= yarn_magnitude(rope.yarn.factor);
}

void write_scaling(const RopeSpec& rope, Metadata& metadata) {
    const auto set = [&](std::string_view name, MetaValue value) {
        metadata.set(key(metadata, "rope.scaling." + std::string(name)), std::move(value));
    };
    if (rope.original_context > 0) set("original_context_length", static_cast<uint32_t>(rope.original_context));
    if (rope.linear_factor != 1) {
        set("type", std::string("linear"));
        set("factor", rope.linear_factor);
    }
    const YarnSpec& yarn = rope.yarn;
    if (yarn.factor == 1) {
        if (rope.magnitude != 1) set("attn_factor", rope.magnitude);
        return;
    }
    set("type", std::string("yarn"));
    set("factor", yarn.factor);
    if (yarn.beta_fast != 32 || yarn.beta_slow != 1) {
        set("yarn_beta_fast", yarn.beta_fast);
        set("yarn_beta_slow", yarn.beta_slow);
    }
    if (!yarn.truncate) set("yarn_truncate", false);
    if (yarn.log_multiplier != 0) set("yarn_log_multiplier", yarn.log_multiplier);
    const float usual = yarn.log_multiplier != 0 ? 1 : yarn_magnitude(yarn.factor);
    if (rope.magnitude != usual) set("attn_factor", rope.magnitude / usual);
}

int vocabulary_size(const Metadata& metadata) {
    if (auto size = metadata.find<int32_t>(key(metadata, "vocab_size"))) return *size;
    const auto tokens = metadata.find<std::vector<std::string>>("tokenizer.ggml.tokens");
    return tokens ? static_cast<int>(tokens->size()) : 0;  // 0: the loader takes it from the embedding
}

}  // namespace

std::string key(const Metadata& metadata, std::string_view name) {
    return metadata.require<std::string>("general.architecture") + "." + std::string(name);
}

ModelSpec read_gguf(const Metadata& metadata, std::string_view architecture) {
    const auto k = [&](std::string_view name) { return key(metadata, name); };
    // Layers that predict further tokens come last and are not used.
    const int layers =
        metadata.require<int32_t>(k("block_count")) - metadata.get<int32_t>(k("nextn_predict_layers"), 0);
    if (layers < 1 || layers > max_layers)
        fail("{}: {} is {}, expected 1 to {}", metadata.source(), k("block_count"), layers, max_layers);

    ModelSpec spec;
    spec.architecture = architecture;
    spec.name = metadata.get<std::string>("general.name", "");
    spec.dim = metadata.require<int32_t>(k("embedding_length"));
    spec.vocab = vocabulary_size(metadata);
    spec.context = metadata.require<int32_t>(k("context_length"));
    spec.norm.eps = metadata.require<float>(k("attention.layer_norm_rms_epsilon"));

    const auto count = static_cast<size_t>(layers);
    const auto heads = per_layer(metadata, "attention.head_count", count);
    const auto kv_heads = metadata.find_per_layer<int32_t>(k("attention.head_count_kv"), count).value_or(heads);
    const auto hidden = per_layer(metadata, "feed_forward_length", count);
    RopeSpec rope;
    rope.pairing = architecture_of(spec).gguf_pairing;
    rope.base = metadata.get<float>(k("rope.freq_base"), 10000.0f);
    read_scaling(metadata, rope);
    for (size_t l = 0; l < count; ++l) {
        AttentionSpec a;
        a.heads = heads[l];
        a.kv_heads = kv_heads[l];
        const int head_dim = a.heads > 0 ? spec.dim / a.heads : 0;
        a.head_dim = metadata.get<int32_t>(k("attention.key_length"), head_dim);
        a.value_dim = metadata.get<int32_t>(k("attention.value_length"), head_dim);
        a.rope = rope;
        a.rope.dims = metadata.get<int32_t>(k("rope.dimension_count"), a.head_dim);
        spec.layers.push_back({a, DenseSpec{.hidden = hidden[l]}});
    }
    return spec;
}

void write_gguf_trunk(const ModelSpec& spec, Metadata& metadata) {
    const auto set = [&](std::string_view name, MetaValue value) {
        metadata.set(key(metadata, name), std::move(value));
    };
    set("block_count", static_cast<uint32_t>(spec.layers.size()));
    set("context_length", static_cast<uint32_t>(spec.context));
    set("embedding_length", static_cast<uint32_t>(spec.dim));
    set("vocab_size", static_cast<uint32_t>(spec.vocab));
    set("attention.layer_norm_rms_epsilon", spec.norm.eps);
}

void write_gguf(const ModelSpec& spec, Metadata& metadata) {
    const auto set = [&](std::string_view name, MetaValue value) {
        metadata.set(key(metadata, name), std::move(value));
    };
    const auto u32 = [](int value) { return static_cast<uint32_t>(value); };
    const AttentionSpec a = attention_of(spec);
    write_gguf_trunk(spec, metadata);
    set("feed_forward_length", u32(dense_of(spec).hidden));
    set("attention.head_count", u32(a.heads));
    set("attention.head_count_kv", u32(a.kv_heads));
    set("attention.key_length", u32(a.head_dim));
    set("attention.value_length", u32(a.value_dim));
    if (!a.rope.enabled) return;
    set("rope.dimension_count", u32(a.rope.dims));
    set("rope.freq_base", a.rope.base);
    write_scaling(a.rope, metadata);
}

void read_presence(ModelSpec& spec, const std::function<bool(const TensorSlot&)>& contains) {
    const bool optional_qk_norm = architecture_of(spec).gguf_optional_qk_norm;
    spec.tied_head = !contains({"output.weight", {}, TensorRole::head});
    spec.head_bias &= contains({"output.bias", {}, TensorRole::bias});
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const auto has = [&](const char* name, TensorRole role) {
            return contains({fmt::format("blk.{}.{}", l, name), {}, role, static_cast<int>(l)});
        };
        if (AttentionSpec* a = spec.layers[l].attention()) {
            a->qkv_bias |= has("attn_q.bias", TensorRole::bias);
            a->out_bias |= has("attn_output.bias", TensorRole::bias);
            if (optional_qk_norm && !has("attn_q_norm.weight", TensorRole::norm)) a->qk_norm = QkNorm::none;
        }
        if (auto* m = std::get_if<MoeSpec>(&spec.layers[l].feed_forward)) {
            m->router.correction_bias &= has("exp_probs_b.bias", TensorRole::correction);
            if (!has("ffn_gate_inp.weight", TensorRole::router) && has("ffn_up.weight", TensorRole::matrix))
                spec.layers[l].feed_forward = DenseSpec{.hidden = m->hidden, .activation = m->activation};
        }
    }
}

SsmSpec read_gguf_ssm(const Metadata& metadata) {
    const auto number = [&](const char* name) { return metadata.require<int32_t>(key(metadata, name)); };
    return {.inner = number("ssm.inner_size"),
            .state = number("ssm.state_size"),
            .conv = number("ssm.conv_kernel"),
            .dt_rank = number("ssm.time_step_rank")};
}

void write_gguf_ssm(const SsmSpec& ssm, Metadata& metadata) {
    metadata.set(key(metadata, "ssm.inner_size"), static_cast<uint32_t>(ssm.inner));
    metadata.set(key(metadata, "ssm.state_size"), static_cast<uint32_t>(ssm.state));
    metadata.set(key(metadata, "ssm.conv_kernel"), static_cast<uint32_t>(ssm.conv));
    metadata.set(key(metadata, "ssm.time_step_rank"), static_cast<uint32_t>(ssm.dt_rank));
}

std::vector<RotaryTensor> rotary_tensors_of(const RopeSpec& rope) {
    std::vector<RotaryTensor> result;
    if (!rope.divisors.empty()) result.push_back(rotary_tensors[rope.long_divisors.empty() ? 0 : 1]);
    if (!rope.long_divisors.empty()) result.push_back(rotary_tensors[2]);
    return result;
}

float yarn_magnitude(float factor) { return static_cast<float>(1 + 0.1 * std::log(double{factor})); }

}  // namespace gremium::archs
