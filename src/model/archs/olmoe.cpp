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
    MoeSpec moe;
    moe.router = {.experts = config.require<int32_t>("num_experts"),
                  .top_k = config.require<int32_t>("num_experts_per_tok"),
                  .normalise = config.get<bool>("norm_topk_prob", false)};
    moe.hidden = config.require<int32_t>("intermediate_size");
    set_mixture(spec, moe);
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    write_gguf(spec, metadata);
    write_gguf_experts(mixture_of(spec), "feed_forward_length", metadata);
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    const MoeSpec moe = mixture_of(spec);
    config["num_experts"] = moe.router.experts;
    config["num_experts_per_tok"] = moe.router.top_k;
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
