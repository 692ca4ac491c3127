// Jamba: Lieber et al., "Jamba: A Hybrid Transformer-Mamba Language Model" (2024). State space layers with a few of
// attention among them, which have no positions; norms inside the state space mixer; dense and mixture layers in turn.
#include <algorithm>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule jamba_names[] = {
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

// Every period-th layer from offset on, as config.json says which layers have attention and which are mixtures.
void read_pattern(const HfConfig& config, const std::string& kind, LayerPattern fallback, LayerPattern& pattern) {
    pattern.period = config.get<int32_t>(kind + "_layer_period", fallback.period);
    pattern.offset = config.get<int32_t>(kind + "_layer_offset", fallback.offset);
    if (pattern.period < 1)
        fail("{}: {}_layer_period is {}, expected at least 1", config.source(), kind, pattern.period);
}

// That of the first two layers; one that fits no layer if there is none.
void write_pattern(const LayerPattern& pattern, int layers, const std::string& kind, nlohmann::ordered_json& config) {
    const std::vector<int32_t> found = pattern.among(layers);
    const int period = found.empty() ? layers + 1 : layers, offset = found.empty() ? layers : found.front();
    config[kind + "_layer_period"] = found.size() > 1 ? found[1] - found[0] : period;
    config[kind + "_layer_offset"] = offset;
}

// In GGUF state space layers are those without keys, and which layers are mixtures their tensors tell (read_presence).
void read_layers_of_kinds(const Input& in, Outline& o) {
    o.attention.rope = {.enabled = false};
    if (in.hf) {
        read_pattern(*in.hf, "attn", {.period = 8, .offset = 4}, o.attention_layers);
        read_pattern(*in.hf, "expert", {.period = 2, .offset = 1}, o.mixture_layers);
    }
    read_layers_without_keys(in, o);
    o.moe.router.experts = in.number("expert_count", "num_experts", in.hf ? 16 : 0);
    o.moe.router.top_k = in.number("expert_used_count", "num_experts_per_tok", in.hf ? 2 : 0);
    o.moe.hidden = o.dense.hidden;
    if (o.moe.router.experts <= (in.hf ? 1 : 0)) o.mixture_layers.period = 0;
}

void write_layers_of_kinds(const Outline& o, Output& out) {
    const moe::RouterPolicy& r = o.moe.router;
    if (out.hf) {
        write_pattern(o.attention_layers, o.layers, "attn", *out.hf);
        write_pattern(o.mixture_layers, o.layers, "expert", *out.hf);
    } else {
        write_layers_without_keys(o, out);
        if (r.experts == 0) return;
    }
    out.say("expert_count", "num_experts", std::max(1, r.experts));
    out.say("expert_used_count", "num_experts_per_tok", std::max(1, r.top_k));
}

constexpr Field jamba_table[] = {
    field(FIELD_AT(ssm.inner), {.gguf = "ssm.inner_size"}),
    field(FIELD_AT(ssm.inner), {.hf = {"mamba_expand"}, .otherwise = 2, .unit = FIELD_AT(model.dim)}),
    field(FIELD_AT(ssm.state), {.gguf = "ssm.state_size", .hf = {"mamba_d_state"}, .hf_otherwise = 16}),
    field(FIELD_AT(ssm.conv), {.gguf = "ssm.conv_kernel", .hf = {"mamba_d_conv"}, .hf_otherwise = 4}),
    rank_of_steps("mamba_dt_rank"),
    always(FIELD_AT(ssm.inner_norms), true),
    rates_as_logarithms,
    written_and_expected("mamba_conv_bias", "true"),
    written_and_expected("mamba_proj_bias", "false"),
    written("use_mamba_kernels", "false"),
    special(read_layers_of_kinds, write_layers_of_kinds),
};
constexpr Fields jamba_fields = jamba_table;

}  // namespace

const Architecture jamba{
    .name = "jamba",
    .gguf_name = "jamba",
    .hf_model_type = "jamba",
    .hf_class = "JambaForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &jamba_fields},
    .names = jamba_names,
    .without_experts = true,
};

}  // namespace gremium::archs
