// Phi-3.5-MoE: Abdin et al., "Phi-3 Technical Report" (2024). LayerNorm, biases in attention and head, longrope, and the
// SparseMixer router. llama.cpp computes its GGUF files with RMSNorm and Mixtral's router instead. Both are here: a
// Hugging Face model, and a GGUF file made of one by this program (it says router.sparse_epsilon), is Microsoft's; any
// other GGUF file is llama.cpp's.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule names[] = {
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.block_sparse_moe.gate"},
    {"blk.{l}.ffn_gate_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w1"},
    {"blk.{l}.ffn_up_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w3"},
    {"blk.{l}.ffn_down_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w2"},
};

constexpr const char* epsilon_key = "router.sparse_epsilon";

// An epsilon of 0 stands for llama.cpp's reading.
void set_phi(ModelSpec& spec, MoeSpec moe, float epsilon) {
    spec.norm.kind = epsilon > 0 ? NormKind::layer : NormKind::rms;
    spec.norm.bias = true;
    moe.router.score = epsilon > 0 ? moe::RouterPolicy::Score::sparsemixer : moe::RouterPolicy::Score::softmax_selected;
    moe.router.sparse_epsilon = epsilon;
    moe.router.normalise = false;
    set_mixture(spec, moe);
}

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, phimoe.name);
    const int original = metadata.get<int32_t>(key(metadata, "rope.scaling.original_context_length"), 0);
    for_each_attention(spec, [&](AttentionSpec& a) { a.rope.original_context = original; });
    spec.head_bias = true;  // if its tensor is there
    set_phi(spec, read_gguf_experts(metadata, "feed_forward_length"),
            metadata.get<float>(key(metadata, epsilon_key), 0.0f));
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, phimoe.name, {.eps = 1e-5f, .rope_theta = 1e6f});
    const bool bias = config.get<bool>("attention_bias", false);
    for_each_attention(spec, [&](AttentionSpec& a) { a.qkv_bias = a.out_bias = bias; });
    spec.head_bias = config.get<bool>("lm_head_bias", false);
    set_phi(spec, read_hf_experts(config, "intermediate_size"), config.get<float>("router_jitter_noise", 0.01f));
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    const MoeSpec moe = mixture_of(spec);
    write_gguf(spec, metadata);
    metadata.set(key(metadata, "attention.layer_norm_epsilon"), spec.norm.eps);
    write_gguf_experts(moe, "feed_forward_length", metadata);
    if (moe.router.sparse_epsilon > 0) metadata.set(key(metadata, epsilon_key), moe.router.sparse_epsilon);
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    const MoeSpec moe = mixture_of(spec);
    write_hf(spec, config);
    write_hf_experts(moe, "num_local_experts", config);
    config["router_jitter_noise"] = decimal(moe.router.sparse_epsilon);
    config["lm_head_bias"] = spec.head_bias;
    config["sliding_window"] = nullptr;
}

}  // namespace

const Architecture phimoe{
    .name = "phimoe",
    .gguf_name = "phimoe",
    .hf_model_type = "phimoe",
    .hf_class = "PhimoeForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = names,
    .gguf_needs_head = true,
};

}  // namespace gremium::archs
