// Qwen3-MoE: Yang et al., "Qwen3 Technical Report" (2025). RMSNorm over each head of q and k, no shared
// expert.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, qwen3moe.name);
    set_qk_norm(spec, QkNorm::per_head);
    MoeSpec moe = read_gguf_experts(metadata, "expert_feed_forward_length");
    moe.router.normalise = true;
    set_mixture(spec, moe);
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, qwen3moe.name);
    set_qk_norm(spec, QkNorm::per_head);
    refuse_attention_bias(config);
    set_qwen_mixture(spec, read_hf_experts(config, "moe_intermediate_size"), config);
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    write_gguf(spec, metadata);
    write_gguf_experts(mixture_of(spec), "expert_feed_forward_length", metadata);
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    write_qwen_mixture(spec, config);
}

}  // namespace

const Architecture qwen3moe{
    .name = "qwen3moe",
    .gguf_name = "qwen3moe",
    .hf_model_type = "qwen3_moe",
    .hf_class = "Qwen3MoeForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = {},
};

}  // namespace gremium::archs
