// OLMoE: Muennighoff et al., "OLMoE: Open Mixture-of-Experts Language Models" (2024). RMSNorm over the whole
// of q and k.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, olmoe.name);
    set_qk_norm(spec, QkNorm::full);
    if (metadata.contains(key(metadata, "attention.clamp_kqv")))
        fail("{}: {} is not supported", metadata.source(), key(metadata, "attention.clamp_kqv"));
    set_mixture(spec, read_gguf_experts(metadata, "feed_forward_length"));
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, olmoe.name, {.eps = 1e-5f});
    set_qk_norm(spec, QkNorm::full);
    refuse_attention_bias(config);
    if (config.contains("clip_qkv")) fail("{}: clip_qkv is not supported", config.source());
    set_mixture(spec, read_hf_experts(config, "intermediate_size"));
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    write_gguf(spec, metadata);
    write_gguf_experts(mixture_of(spec), "feed_forward_length", metadata);
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    const MoeSpec moe = mixture_of(spec);
    write_hf_experts(moe, "num_experts", config);
    config["norm_topk_prob"] = moe.router.normalise;
    config["clip_qkv"] = nullptr;
}

}  // namespace

const Architecture olmoe{
    .name = "olmoe",
    .gguf_name = "olmoe",
    .hf_model_type = "olmoe",
    .hf_class = "OlmoeForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = {},
    .gguf_needs_head = true,
    .gguf_needs_own_keys = true,
};

}  // namespace gremium::archs
