// dots.llm1: Huo et al., "dots.llm1 Technical Report" (2025). DeepSeek-V3's router without groups, ungated shared
// experts, leading dense layers, per-head q/k norm.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule names[] = {
    {"blk.{l}.exp_probs_b.bias", "model.layers.{l}.mlp.gate.e_score_correction_bias"},
    {"blk.{l}.ffn_gate_shexp", "model.layers.{l}.mlp.shared_experts.gate_proj"},
    {"blk.{l}.ffn_up_shexp", "model.layers.{l}.mlp.shared_experts.up_proj"},
    {"blk.{l}.ffn_down_shexp", "model.layers.{l}.mlp.shared_experts.down_proj"},
};

constexpr uint32_t sigmoid_gating = 2;  // of expert_gating_func

void set_dots(MoeSpec& moe, int shared_experts, const std::string& source) {
    moe.router.score = moe::RouterPolicy::Score::sigmoid;
    moe.router.correction_bias = true;
    moe.shared_hidden = checked_product(shared_experts, moe.hidden, source);
}

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, dots1.name);
    set_qk_norm(spec, QkNorm::per_head);
    const auto k = [&](std::string_view name) { return key(metadata, name); };
    if (metadata.get<uint32_t>(k("expert_gating_func"), sigmoid_gating) != sigmoid_gating)
        fail("{}: {} is not 2 (sigmoid)", metadata.source(), k("expert_gating_func"));
    MoeSpec moe = read_gguf_experts(metadata, "expert_feed_forward_length");
    set_dots(moe, metadata.require<int32_t>(k("expert_shared_count")), metadata.source());
    moe.router.normalise = metadata.get<bool>(k("expert_weights_norm"), false);
    moe.router.scale = metadata.require<float>(k("expert_weights_scale"));
    set_mixture(spec, moe, metadata.require<int32_t>(k("leading_dense_block_count")));
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, dots1.name);
    set_qk_norm(spec, QkNorm::per_head);
    refuse_attention_bias(config);
    if (config.get<int32_t>("n_group", 1) != 1) fail("{}: n_group above 1 is not supported", config.source());
    MoeSpec moe;
    moe.hidden = config.require<int32_t>("moe_intermediate_size");
    set_dots(moe, config.require<int32_t>("n_shared_experts"), config.source());
    moe.router.experts = config.require<int32_t>("n_routed_experts");
    moe.router.top_k = config.require<int32_t>("num_experts_per_tok");
    moe.router.normalise = config.get<bool>("norm_topk_prob", false);
    moe.router.scale = config.get<float>("routed_scaling_factor", 1.0f);
    set_mixture(spec, moe, config.get<int32_t>("first_k_dense_replace", 0));
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    const MoeSpec moe = mixture_of(spec);
    const auto set = [&](auto k, MetaValue value) { metadata.set(key(metadata, k), std::move(value)); };
    write_gguf(spec, metadata);
    write_gguf_experts(moe, "expert_feed_forward_length", metadata);
    set("leading_dense_block_count", static_cast<uint32_t>(leading_dense_layers(spec)));
    set("expert_shared_count", static_cast<uint32_t>(moe.shared_hidden / moe.hidden));
    set("expert_weights_scale", moe.router.scale);
    set("expert_weights_norm", moe.router.normalise);
    set("expert_gating_func", sigmoid_gating);
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    const MoeSpec moe = mixture_of(spec);
    config["moe_intermediate_size"] = moe.hidden;
    config["n_routed_experts"] = moe.router.experts;
    config["n_shared_experts"] = moe.shared_hidden / moe.hidden;
    config["num_experts_per_tok"] = moe.router.top_k;
    config["norm_topk_prob"] = moe.router.normalise;
    config["routed_scaling_factor"] = decimal(moe.router.scale);
    config["first_k_dense_replace"] = leading_dense_layers(spec);
    config["n_group"] = config["topk_group"] = 1;
    config["scoring_func"] = "noaux_tc";  // llama.cpp's converter asks for it
    config["sliding_window"] = nullptr;
}

}  // namespace

const Architecture dots1{
    .name = "dots1",
    .gguf_name = "dots1",
    .hf_model_type = "dots1",
    .hf_class = "Dots1ForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = names,
    .gguf_needs_head = true,
    .gguf_needs_own_keys = true,
};

}  // namespace gremium::archs
