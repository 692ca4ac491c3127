#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

namespace {

constexpr int max_layers = 4096;  // before anything is allocated per layer

std::vector<int32_t> per_layer(const Metadata& metadata, std::string_view name, size_t layers) {
    if (auto values = metadata.find_per_layer<int32_t>(key(metadata, name), layers)) return *values;
    fail("{}: metadata key {} is missing", metadata.source(), key(metadata, name));
}

float linear_factor(const Metadata& metadata) {
    const std::string type = metadata.get<std::string>(key(metadata, "rope.scaling.type"), "none");
    if (type == "none") return 1;
    if (type != "linear")
        fail(
            "{}: rotary scaling of type \"{}\" is not supported (none, linear, and divisors in "
            "rope_freqs.weight are)",
            metadata.source(), type);
    return metadata.require<float>(key(metadata, "rope.scaling.factor"));
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
    const int layers = metadata.require<int32_t>(k("block_count"));
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
    const auto kv_heads =
        metadata.find_per_layer<int32_t>(k("attention.head_count_kv"), count).value_or(heads);
    const auto hidden = per_layer(metadata, "feed_forward_length", count);
    const float factor = linear_factor(metadata);
    for (size_t l = 0; l < count; ++l) {
        AttentionSpec a;
        a.heads = heads[l];
        a.kv_heads = kv_heads[l];
        const int head_dim = a.heads > 0 ? spec.dim / a.heads : 0;
        a.head_dim = metadata.get<int32_t>(k("attention.key_length"), head_dim);
        a.value_dim = metadata.get<int32_t>(k("attention.value_length"), head_dim);
        a.rope.dims = metadata.get<int32_t>(k("rope.dimension_count"), a.head_dim);
        a.rope.base = metadata.get<float>(k("rope.freq_base"), 10000.0f);
        a.rope.linear_factor = factor;
        spec.layers.push_back({a, DenseSpec{.hidden = hidden[l]}});
    }
    return spec;
}

void write_gguf(const ModelSpec& spec, Metadata& metadata) {
    const auto set = [&](std::string_view name, MetaValue value) {
        metadata.set(key(metadata, name), std::move(value));
    };
    const auto u32 = [](int value) { return static_cast<uint32_t>(value); };
    const AttentionSpec a = attention_of(spec);
    set("block_count", u32(static_cast<int>(spec.layers.size())));
    set("context_length", u32(spec.context));
    set("embedding_length", u32(spec.dim));
    set("vocab_size", u32(spec.vocab));
    set("feed_forward_length", u32(dense_of(spec).hidden));
    set("attention.head_count", u32(a.heads));
    set("attention.head_count_kv", u32(a.kv_heads));
    set("attention.key_length", u32(a.head_dim));
    set("attention.value_length", u32(a.value_dim));
    set("attention.layer_norm_rms_epsilon", spec.norm.eps);
    set("rope.dimension_count", u32(a.rope.dims));
    set("rope.freq_base", a.rope.base);
    if (a.rope.linear_factor != 1) {
        set("rope.scaling.type", std::string("linear"));
        set("rope.scaling.factor", a.rope.linear_factor);
    }
}

void read_presence(ModelSpec& spec, const std::function<bool(const std::string& name)>& contains) {
    spec.tied_head = !contains("output.weight");
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const auto layer_has = [&](const char* name) { return contains(fmt::format("blk.{}.{}", l, name)); };
        if (AttentionSpec* a = spec.layers[l].attention()) {
            a->qkv_bias |= layer_has("attn_q.bias");
            a->out_bias |= layer_has("attn_output.bias");
        }
        if (auto* m = std::get_if<MoeSpec>(&spec.layers[l].feed_forward))
            m->router.correction_bias &= layer_has("exp_probs_b.bias");
    }
}

MoeSpec read_gguf_experts(const Metadata& metadata, std::string_view width_key) {
    MoeSpec moe;
    moe.router.experts = metadata.require<int32_t>(key(metadata, "expert_count"));
    moe.router.top_k = metadata.require<int32_t>(key(metadata, "expert_used_count"));
    moe.hidden = metadata.require<int32_t>(key(metadata, width_key));
    return moe;
}

void write_gguf_experts(const MoeSpec& moe, std::string_view width_key, Metadata& metadata) {
    metadata.set(key(metadata, "expert_count"), static_cast<uint32_t>(moe.router.experts));
    metadata.set(key(metadata, "expert_used_count"), static_cast<uint32_t>(moe.router.top_k));
    metadata.set(key(metadata, width_key), static_cast<uint32_t>(moe.hidden));
}

}  // namespace gremium::archs
