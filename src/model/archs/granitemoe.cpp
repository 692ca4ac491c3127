// GraniteMoE: IBM, "Granite 3.0 Language Models" (2024). Mixtral's router; embeddings, residuals, scores and logits have
// scales of their own.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule names[] = {
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.block_sparse_moe.router.layer"},
    {"blk.{l}.ffn_gate_exps", "model.layers.{l}.block_sparse_moe.input_linear", {.part = Layout::Part::first}},
    {"blk.{l}.ffn_up_exps", "model.layers.{l}.block_sparse_moe.input_linear", {.part = Layout::Part::last}},
    {"blk.{l}.ffn_down_exps", "model.layers.{l}.block_sparse_moe.output_linear"},
    {"blk.{l}.ffn_gate_shexp", "model.layers.{l}.shared_mlp.input_linear", {.part = Layout::Part::first}},
    {"blk.{l}.ffn_up_shexp", "model.layers.{l}.shared_mlp.input_linear", {.part = Layout::Part::last}},
    {"blk.{l}.ffn_down_shexp", "model.layers.{l}.shared_mlp.output_linear"},
};

void set_granite(ModelSpec& spec, MoeSpec moe, int shared_hidden, float attention_scale) {
    moe.shared_hidden = shared_hidden;
    for_each_attention(spec, [&](AttentionSpec& a) {
        a.scale = attention_scale;
        if (a.scale == 0) a.scale = score_scale(a);  // said, for Hugging Face's readers take it as it stands
    });
    moe.router.score = moe::RouterPolicy::Score::softmax_selected;
    set_mixture(spec, moe);
}

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, granitemoe.name);
    const auto number = [&](const char* name, float fallback) {
        return metadata.get<float>(key(metadata, name), fallback);
    };
    spec.embedding_scale = number("embedding_scale", 1);
    spec.residual_scale = number("residual_scale", 1);
    spec.logit_divisor = number("logit_scale", 1);
    set_granite(spec, read_gguf_experts(metadata, "feed_forward_length"),
                metadata.get<int32_t>(key(metadata, "expert_shared_feed_forward_length"), 0),
                number("attention.scale", 0));
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, granitemoe.name);
    refuse_attention_bias(config);
    spec.embedding_scale = config.get<float>("embedding_multiplier", 1.0f);
    spec.residual_scale = config.get<float>("residual_multiplier", 1.0f);
    spec.logit_divisor = config.get<float>("logits_scaling", 1.0f);
    set_granite(spec, read_hf_experts(config, "intermediate_size"), config.get<int32_t>("shared_intermediate_size", 0),
                config.get<float>("attention_multiplier", 1.0f));
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    write_gguf(spec, metadata);
    const MoeSpec moe = mixture_of(spec);
    write_gguf_experts(moe, "feed_forward_length", metadata);
    if (moe.shared_hidden > 0)
        metadata.set(key(metadata, "expert_shared_feed_forward_length"), static_cast<uint32_t>(moe.shared_hidden));
    metadata.set(key(metadata, "embedding_scale"), spec.embedding_scale);
    metadata.set(key(metadata, "residual_scale"), spec.residual_scale);
    metadata.set(key(metadata, "logit_scale"), spec.logit_divisor);
    metadata.set(key(metadata, "attention.scale"), attention_of(spec).scale);
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    const MoeSpec moe = mixture_of(spec);
    write_hf_experts(moe, "num_local_experts", config);
    config["embedding_multiplier"] = decimal(spec.embedding_scale);
    config["residual_multiplier"] = decimal(spec.residual_scale);
    config["logits_scaling"] = decimal(spec.logit_divisor);
    config["attention_multiplier"] = decimal(attention_of(spec).scale);
    if (moe.shared_hidden == 0) return;
    config["shared_intermediate_size"] = moe.shared_hidden;
    config["model_type"] = "granitemoeshared";
    config["architectures"] = {"GraniteMoeSharedForCausalLM"};
}

}  // namespace

const Architecture granitemoe{
    .name = "granitemoe",
    .gguf_name = "granitemoe",
    .hf_model_type = "granitemoe",
    .hf_class = "GraniteMoeForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = names,
    .gguf_pairing = kernels::RopePairing::interleaved,
    .hf_alias = "granitemoeshared",
};

}  // namespace gremium::archs
