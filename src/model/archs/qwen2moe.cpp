// Qwen1.5-MoE and Qwen2-MoE: Yang et al., "Qwen2 Technical Report" (2024). A shared expert behind a sigmoid
// gate.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule names[] = {
    {"blk.{l}.ffn_gate_shexp", "model.layers.{l}.mlp.shared_expert.gate_proj"},
    {"blk.{l}.ffn_up_shexp", "model.layers.{l}.mlp.shared_expert.up_proj"},
    {"blk.{l}.ffn_down_shexp", "model.layers.{l}.mlp.shared_expert.down_proj"},
    {"blk.{l}.ffn_gate_inp_shexp", "model.layers.{l}.mlp.shared_expert_gate"},
};

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, qwen2moe.name);
    set_qkv_bias(spec, true);
    MoeSpec moe = read_gguf_experts(metadata, "expert_feed_forward_length");
    moe.shared_hidden = metadata.require<int32_t>(key(metadata, "expert_shared_feed_forward_length"));
    moe.shared_gate = true;
    set_mixture(spec, moe);
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, qwen2moe.name);
    set_qkv_bias(spec, config.get<bool>("qkv_bias", true));
    MoeSpec moe = read_hf_experts(config, "moe_intermediate_size");
    moe.shared_hidden = config.require<int32_t>("shared_expert_intermediate_size");
    moe.shared_gate = true;
    set_qwen_mixture(spec, moe, config);
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    write_gguf(spec, metadata);
    const MoeSpec moe = mixture_of(spec);
    write_gguf_experts(moe, "expert_feed_forward_length", metadata);
    metadata.set(key(metadata, "expert_shared_feed_forward_length"), static_cast<uint32_t>(moe.shared_hidden));
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    write_qwen_mixture(spec, config);
    config["shared_expert_intermediate_size"] = mixture_of(spec).shared_hidden;
    config["qkv_bias"] = attention_of(spec).qkv_bias;
}

}  // namespace

const Architecture qwen2moe{
    .name = "qwen2moe",
    .gguf_name = "qwen2moe",
    .hf_model_type = "qwen2_moe",
    .hf_class = "Qwen2MoeForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = names,
    .gguf_needs_head = true,
};

}  // namespace gremium::archs
