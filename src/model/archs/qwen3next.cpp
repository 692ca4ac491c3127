// Qwen3-Next: Qwen Team (2025). Gated DeltaNets whose projections of a key head lie together in files.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

const DeltaNetSpec& net_of(const LayerSpec& layer) { return std::get<DeltaNetSpec>(layer.mixer); }

// Rows where each key head has its query, key, values and gates in turn: those of queries, keys and values; of gates.
int64_t qkv_row(const LayerSpec& layer, int64_t r) {
    const DeltaNetSpec& s = net_of(layer);
    const int64_t K = s.key_dim, V = s.values() / s.key_heads, part = std::min<int64_t>(r / s.keys(), 2);
    const int64_t in_part = r - part * s.keys(), width = part < 2 ? K : V;
    return in_part / width * 2 * (K + V) + part * K + in_part % width;
}
int64_t gate_row(const LayerSpec& layer, int64_t r) {
    const DeltaNetSpec& s = net_of(layer);
    const int64_t K = s.key_dim, V = s.values() / s.key_heads;
    return r / V * 2 * (K + V) + 2 * K + V + r % V;
}

// Where each has its betas, then its alphas.
int64_t beta_row(const LayerSpec& layer, int64_t r) {
    const int64_t each = net_of(layer).heads / net_of(layer).key_heads;
    return r / each * 2 * each + r % each;
}
int64_t alpha_row(const LayerSpec& layer, int64_t r) {
    return beta_row(layer, r) + net_of(layer).heads / net_of(layer).key_heads;
}

constexpr NameRule qwen3next_names[] = {
    {"blk.{l}.attn_qkv", "model.layers.{l}.linear_attn.in_proj_qkvz", {.row_in_file = qkv_row}},
    {"blk.{l}.attn_gate", "model.layers.{l}.linear_attn.in_proj_qkvz", {.row_in_file = gate_row}},
    {"blk.{l}.ssm_beta", "model.layers.{l}.linear_attn.in_proj_ba", {.row_in_file = beta_row}},
    {"blk.{l}.ssm_alpha", "model.layers.{l}.linear_attn.in_proj_ba", {.row_in_file = alpha_row}},
    {"output_norm", "model.norm", norm_less_one},
    {"blk.{l}.attn_norm", "model.layers.{l}.input_layernorm", norm_less_one},
    {"blk.{l}.ffn_norm", "model.layers.{l}.post_attention_layernorm", norm_less_one},
    {"blk.{l}.attn_q_norm", "model.layers.{l}.self_attn.q_norm", norm_less_one},
    {"blk.{l}.attn_k_norm", "model.layers.{l}.self_attn.k_norm", norm_less_one},
    {"blk.{l}.ssm_conv1d", "model.layers.{l}.linear_attn.conv1d"},
    {"blk.{l}.ssm_dt.bias", "model.layers.{l}.linear_attn.dt_bias"},
    {"blk.{l}.ssm_a", "model.layers.{l}.linear_attn.A_log"},
    {"blk.{l}.ssm_norm", "model.layers.{l}.linear_attn.norm"},
    {"blk.{l}.ssm_out", "model.layers.{l}.linear_attn.out_proj"},
    {"blk.{l}.ffn_gate_shexp", "model.layers.{l}.mlp.shared_expert.gate_proj"},
    {"blk.{l}.ffn_up_shexp", "model.layers.{l}.mlp.shared_expert.up_proj"},
    {"blk.{l}.ffn_down_shexp", "model.layers.{l}.mlp.shared_expert.down_proj"},
    {"blk.{l}.ffn_gate_inp_shexp", "model.layers.{l}.mlp.shared_expert_gate"},
};
// Older files have queries, keys, values and gates in one.
constexpr NameRule qwen3next_gguf_names[] = {
    {"blk.{l}.ffn_norm", "blk.{l}.post_attention_norm"},
    {"blk.{l}.ssm_beta", "blk.{l}.ssm_ba", {.row_in_file = beta_row}, true},
    {"blk.{l}.ssm_alpha", "blk.{l}.ssm_ba", {.row_in_file = alpha_row}, true},
    {"blk.{l}.attn_qkv", "blk.{l}.ssm_in", {.row_in_file = qkv_row}},
    {"blk.{l}.attn_gate", "blk.{l}.ssm_in", {.row_in_file = gate_row}},
};

}  // namespace

const Architecture qwen3next{
    .name = "qwen3next",
    .gguf_name = "qwen3next",
    .hf_model_type = "qwen3_next",
    .hf_class = "Qwen3NextForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &qwen_mixture_fields, &qwen_delta_mixture_fields, &qwen_delta_fields},
    .names = qwen3next_names,
    .hf_defaults = {.rotated_share = 0.25},
    .gguf_names = qwen3next_gguf_names,
};

}  // namespace gremium::archs
