// Jamba: Lieber et al., "Jamba: A Hybrid Transformer-Mamba Language Model" (2024). State space layers with a few of
// attention among them, which have no positions; norms inside the state space mixer; dense and mixture layers in turn.
#include <algorithm>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule names[] = {
    {"output_norm", "model.final_layernorm"},
    {"blk.{l}.ffn_norm", "model.layers.{l}.pre_ff_layernorm"},
    {"blk.{l}.ssm_in", "model.layers.{l}.mamba.in_proj"},
    {"blk.{l}.ssm_conv1d", "model.layers.{l}.mamba.conv1d"},
    {"blk.{l}.ssm_x", "model.layers.{l}.mamba.x_proj"},
    {"blk.{l}.ssm_dt_norm", "model.layers.{l}.mamba.dt_layernorm"},
    {"blk.{l}.ssm_b_norm", "model.layers.{l}.mamba.b_layernorm"},
    {"blk.{l}.ssm_c_norm", "model.layers.{l}.mamba.c_layernorm"},
    {"blk.{l}.ssm_dt", "model.layers.{l}.mamba.dt_proj"},
    {"blk.{l}.ssm_a", "model.layers.{l}.mamba.A_log"},
    {"blk.{l}.ssm_d", "model.layers.{l}.mamba.D"},
    {"blk.{l}.ssm_out", "model.layers.{l}.mamba.out_proj"},
    {"blk.{l}.ffn_gate", "model.layers.{l}.feed_forward.gate_proj"},
    {"blk.{l}.ffn_up", "model.layers.{l}.feed_forward.up_proj"},
    {"blk.{l}.ffn_down", "model.layers.{l}.feed_forward.down_proj"},
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.feed_forward.router"},
    {"blk.{l}.ffn_gate_exps", "model.layers.{l}.feed_forward.experts.{e}.gate_proj"},
    {"blk.{l}.ffn_up_exps", "model.layers.{l}.feed_forward.experts.{e}.up_proj"},
    {"blk.{l}.ffn_down_exps", "model.layers.{l}.feed_forward.experts.{e}.down_proj"},
};

// Every period-th layer from offset on.
struct Pattern {
    int period, offset;
    bool holds(size_t layer) const { return static_cast<int>(layer) % period == offset; }
};

// The pattern whose first two layers are those that `belongs` accepts; one that fits no layer if there is none.
template <typename Belongs>
Pattern pattern_of(const ModelSpec& spec, Belongs&& belongs) {
    const auto count = static_cast<int>(spec.layers.size());
    std::vector<int> found;
    for (int l = 0; l < count; ++l)
        if (belongs(spec.layers[static_cast<size_t>(l)])) found.push_back(l);
    if (found.empty()) return {count + 1, count};
    return {found.size() > 1 ? found[1] - found[0] : count, found[0]};
}

Pattern read_pattern(const HfConfig& config, const std::string& kind, Pattern fallback) {
    const Pattern pattern{config.get<int32_t>(kind + "_layer_period", fallback.period),
                          config.get<int32_t>(kind + "_layer_offset", fallback.offset)};
    if (pattern.period < 1)
        fail("{}: {}_layer_period is {}, expected at least 1", config.source(), kind, pattern.period);
    return pattern;
}

ModelSpec from_gguf(const Metadata& metadata) {
    ModelSpec spec = read_gguf(metadata, jamba.name);
    SsmSpec ssm = read_gguf_ssm(metadata);
    ssm.inner_norms = true;
    for (LayerSpec& layer : spec.layers) {
        layer.attention()->rope = {.enabled = false};
        if (layer.attention()->kv_heads == 0) layer.mixer = ssm;
    }
    // Which layers are mixtures their tensors tell (read_presence).
    if (metadata.get<int32_t>(key(metadata, "expert_count"), 0) > 0)
        set_mixture(spec, read_gguf_experts(metadata, "feed_forward_length"));
    return spec;
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec = read_hf(config, jamba.name);
    if (config.get<bool>("mamba_proj_bias", false) || !config.get<bool>("mamba_conv_bias", true))
        fail("{}: expected mamba_conv_bias and no mamba_proj_bias", config.source());
    const SsmSpec ssm{.inner = checked_product(config.get<int32_t>("mamba_expand", 2), spec.dim, config.source()),
                      .state = config.get<int32_t>("mamba_d_state", 16),
                      .conv = config.get<int32_t>("mamba_d_conv", 4),
                      .dt_rank = hf_dt_rank(config, "mamba_dt_rank", spec.dim),
                      .inner_norms = true,
                      .log_rates = true};
    MoeSpec moe;
    moe.router = {.experts = config.get<int32_t>("num_experts", 16),
                  .top_k = config.get<int32_t>("num_experts_per_tok", 2)};
    moe.hidden = config.require<int32_t>("intermediate_size");
    const Pattern attention = read_pattern(config, "attn", {8, 4});
    const Pattern experts = read_pattern(config, "expert", {2, 1});
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        LayerSpec& layer = spec.layers[l];
        layer.attention()->rope = {.enabled = false};
        if (!attention.holds(l)) layer.mixer = ssm;
        if (experts.holds(l) && moe.router.experts > 1) layer.feed_forward = moe;
    }
    return spec;
}

void to_gguf(const ModelSpec& spec, Metadata& metadata) {
    write_gguf(spec, metadata);
    std::vector<int32_t> kv_heads;
    for (const LayerSpec& layer : spec.layers) kv_heads.push_back(layer.attention() ? layer.attention()->kv_heads : 0);
    metadata.set(key(metadata, "attention.head_count_kv"), MetaArray(kv_heads));
    write_gguf_ssm(ssm_of(spec), metadata);
    if (leading_dense_layers(spec) < static_cast<int>(spec.layers.size()))
        write_gguf_experts(mixture_of(spec), "feed_forward_length", metadata);
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    write_hf(spec, config);
    const SsmSpec ssm = ssm_of(spec);
    config["mamba_expand"] = ssm.inner / spec.dim;
    config["mamba_d_state"] = ssm.state;
    config["mamba_d_conv"] = ssm.conv;
    config["mamba_dt_rank"] = ssm.dt_rank;
    config["mamba_conv_bias"] = true;
    config["mamba_proj_bias"] = false;
    config["use_mamba_kernels"] = false;
    const Pattern attention = pattern_of(spec, [](const LayerSpec& layer) { return layer.attention(); });
    const Pattern experts = pattern_of(spec, [](const LayerSpec& layer) { return layer.moe(); });
    config["attn_layer_period"] = attention.period;
    config["attn_layer_offset"] = attention.offset;
    config["expert_layer_period"] = experts.period;
    config["expert_layer_offset"] = experts.offset;
    const bool mixture = leading_dense_layers(spec) < static_cast<int>(spec.layers.size());
    config["num_experts"] = mixture ? mixture_of(spec).router.experts : 1;
    config["num_experts_per_tok"] = mixture ? mixture_of(spec).router.top_k : 1;
}

}  // namespace

const Architecture jamba{
    .name = "jamba",
    .gguf_name = "jamba",
    .hf_model_type = "jamba",
    .hf_class = "JambaForCausalLM",
    .experts = true,
    .from_gguf = from_gguf,
    .from_hf = from_hf,
    .to_gguf = to_gguf,
    .to_hf = to_hf,
    .names = names,
};

}  // namespace gremium::archs
