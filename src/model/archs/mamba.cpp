// Mamba: Gu, Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023): state space layers and nothing
// else. MoE-Mamba: Pióro et al. (2024): after each of them a mixture; the layout of its files is Gremium's own extension.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr int unbounded_context = 1 << 20;  // what llama.cpp's converter writes: the state has no length

constexpr NameRule names[] = {
    {"token_embd", "backbone.embeddings"},
    {"output_norm", "backbone.norm_f"},
    {"blk.{l}.attn_norm", "backbone.layers.{l}.norm"},
    {"blk.{l}.ssm_in", "backbone.layers.{l}.mixer.in_proj"},
    {"blk.{l}.ssm_conv1d", "backbone.layers.{l}.mixer.conv1d"},
    {"blk.{l}.ssm_x", "backbone.layers.{l}.mixer.x_proj"},
    {"blk.{l}.ssm_dt", "backbone.layers.{l}.mixer.dt_proj"},
    {"blk.{l}.ssm_a", "backbone.layers.{l}.mixer.A_log"},
    {"blk.{l}.ssm_d", "backbone.layers.{l}.mixer.D"},
    {"blk.{l}.ssm_out", "backbone.layers.{l}.mixer.out_proj"},
    {"blk.{l}.ffn_norm", "backbone.layers.{l}.moe_norm"},
    {"blk.{l}.ffn_gate_inp", "backbone.layers.{l}.moe.router"},
    {"blk.{l}.ffn_gate_exps", "backbone.layers.{l}.moe.experts.{e}.gate_proj"},
    {"blk.{l}.ffn_up_exps", "backbone.layers.{l}.moe.experts.{e}.up_proj"},
    {"blk.{l}.ffn_down_exps", "backbone.layers.{l}.moe.experts.{e}.down_proj"},
};

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, mamba.name);
    if (metadata.get<bool>(key(metadata, "ssm.dt_b_c_rms"), false))
        fail("{}: {} is not supported", metadata.source(), key(metadata, "ssm.dt_b_c_rms"));
    spec.layers.assign(spec.layers.size(), {read_gguf_ssm(metadata), NoFeedForward{}});
    return spec;
}

ModelSpec moe_from_gguf(const Metadata& metadata) {
    ModelSpec spec = from_gguf(metadata);
    spec.architecture = moe_mamba.name;
    MoeSpec moe = read_gguf_experts(metadata, "expert_feed_forward_length");
    moe.router.normalise = metadata.get<bool>(key(metadata, "expert_weights_norm"), false);
    moe.router.capacity_factor = metadata.get<float>(key(metadata, "expert_capacity_factor"), 0);
    moe.router.second =
        second_expert(metadata.get<std::string>(key(metadata, "expert_second_policy"), "all"), metadata.source());
    set_mixture(spec, moe);
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec;
    spec.architecture = mamba.name;
    spec.name = config.get<std::string>("_name_or_path", "");
    spec.dim = config.require<int32_t>({"hidden_size", "d_model"});
    spec.vocab = config.require<int32_t>("vocab_size");
    spec.context = config.get<int32_t>("max_position_embeddings", unbounded_context);
    spec.norm.eps = config.get<float>("layer_norm_epsilon", 1e-5f);
    spec.tied_head = config.get<bool>("tie_word_embeddings", true);
    if (config.get<bool>("use_bias", false) || !config.get<bool>("use_conv_bias", true))
        fail("{}: expected use_conv_bias and no use_bias", config.source());
    const int expanded = checked_product(config.get<int32_t>("expand", 2), spec.dim, config.source());
    const SsmSpec ssm{.inner = config.get<int32_t>("intermediate_size", expanded),
                      .state = config.get<int32_t>("state_size", 16),
                      .conv = config.get<int32_t>("conv_kernel", 4),
                      .dt_rank = hf_dt_rank(config, "time_step_rank", spec.dim),
                      .log_rates = true};
    spec.layers.assign(hf_layer_count(config), {ssm, NoFeedForward{}});
    return spec;
}

ModelSpec moe_from_hf(const HfConfig& config) {
    ModelSpec spec = from_hf(config);
    spec.architecture = moe_mamba.name;
    MoeSpec moe;
    moe.router = {.experts = config.require<int32_t>("num_experts"),
                  .top_k = config.require<int32_t>("num_experts_per_tok"),
                  .normalise = config.get<bool>("norm_topk_prob", false),
                  .capacity_factor = config.get<float>("capacity_factor", 0),
                  .second = second_expert(config.get<std::string>("second_expert_policy", "all"), config.source())};
    moe.hidden = config.require<int32_t>("moe_intermediate_size");
    set_mixture(spec, moe);
    return spec;
}

// Readers want to find the keys of attention and feed-forward too.
void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    write_gguf_trunk(spec, metadata);
    metadata.set(key(metadata, "feed_forward_length"), uint32_t{0});
    metadata.set(key(metadata, "attention.head_count"), uint32_t{0});
    write_gguf_ssm(ssm_of(spec), metadata);
}

void moe_to_gguf(const ModelSpec& spec, Metadata& metadata) {
    to_gguf(spec, metadata);
    write_gguf_experts(mixture_of(spec), "expert_feed_forward_length", metadata);
    const moe::RouterPolicy router = mixture_of(spec).router;
    metadata.set(key(metadata, "expert_weights_norm"), router.normalise);
    metadata.set(key(metadata, "expert_capacity_factor"), router.capacity_factor);
    metadata.set(key(metadata, "expert_second_policy"), second_expert_name(router.second));
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    const SsmSpec ssm = ssm_of(spec);
    if (!spec.name.empty()) config["_name_or_path"] = spec.name;
    config["vocab_size"] = spec.vocab;
    config["hidden_size"] = spec.dim;
    config["num_hidden_layers"] = spec.layers.size();
    config["intermediate_size"] = ssm.inner;
    config["expand"] = ssm.inner / spec.dim;
    config["state_size"] = ssm.state;
    config["conv_kernel"] = ssm.conv;
    config["time_step_rank"] = ssm.dt_rank;
    config["layer_norm_epsilon"] = decimal(spec.norm.eps);
    config["max_position_embeddings"] = spec.context;
    config["tie_word_embeddings"] = spec.tied_head;
    config["hidden_act"] = "silu";
    config["use_bias"] = false;
    config["use_conv_bias"] = true;
    config["residual_in_fp32"] = true;
}

void moe_to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    to_hf(spec, config);
    const MoeSpec moe = mixture_of(spec);
    config["num_experts"] = moe.router.experts;
    config["num_experts_per_tok"] = moe.router.top_k;
    config["norm_topk_prob"] = moe.router.normalise;
    config["capacity_factor"] = decimal(moe.router.capacity_factor);
    config["second_expert_policy"] = second_expert_name(moe.router.second);
    config["moe_intermediate_size"] = moe.hidden;
}

}  // namespace

const Architecture mamba{
    .name = "mamba",
    .gguf_name = "mamba",
    .hf_model_type = "mamba",
    .hf_class = "MambaForCausalLM",
    .experts = false,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = names,
};

const Architecture moe_mamba{
    .name = "moe_mamba",
    .gguf_name = "mamba",
    .hf_model_type = "moe_mamba",
    .hf_class = "MoeMambaForCausalLM",
    .experts = true,
    .from_gguf = moe_from_gguf,
    .from_hf = moe_from_hf,
    .to_gguf = moe_to_gguf,
    .to_hf = moe_to_hf,
    .names = names,
};

}  // namespace gremium::archs
