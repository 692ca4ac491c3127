// Mixtral: Jiang et al., "Mixtral of Experts" (2024). GGUF calls it llama with experts.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule names[] = {
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.block_sparse_moe.gate"},
    {"blk.{l}.ffn_gate_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w1"},
    {"blk.{l}.ffn_up_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w3"},
    {"blk.{l}.ffn_down_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w2"},
};

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, mixtral.name);
    MoeSpec moe = read_gguf_experts(metadata, "feed_forward_length");
    moe.router.normalise = true;
    set_mixture(spec, moe);
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, mixtral.name, {.eps = 1e-5f, .rope_theta = 1e6f, .use_sliding_window = true});
    MoeSpec moe = read_hf_experts(config, "intermediate_size");
    moe.router.normalise = true;
    set_mixture(spec, moe);
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    write_gguf(spec, metadata);
    write_gguf_experts(mixture_of(spec), "feed_forward_length", metadata);
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    write_hf_experts(mixture_of(spec), "num_local_experts", config);
    config["sliding_window"] = nullptr;
}

}  // namespace

const Architecture mixtral{
    .name = "mixtral",
    .gguf_name = "llama",
    .hf_model_type = "mixtral",
    .hf_class = "MixtralForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = names,
    .gguf_pairing = kernels::RopePairing::interleaved,
};

}  // namespace gremium::archs
