// Qwen3.5: Qwen Team (2026), dense and as mixtures: three gated DeltaNets to each layer of attention, whose results are
// gated. In GGUF value heads lie so that head h reads key head h mod G.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule qwen35_names[] = {
    {"blk.{l}.attn_qkv", "model.layers.{l}.linear_attn.in_proj_qkv"},
    {"blk.{l}.attn_gate", "model.layers.{l}.linear_attn.in_proj_z"},
    {"blk.{l}.ssm_beta", "model.layers.{l}.linear_attn.in_proj_b"},
    {"blk.{l}.ssm_alpha", "model.layers.{l}.linear_attn.in_proj_a"},
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
constexpr NameRule qwen35_gguf_names[] = {{"blk.{l}.ffn_norm", "blk.{l}.post_attention_norm"}};
constexpr Field qwen35_table[] = {axes_of_images};
constexpr Fields qwen35_fields = qwen35_table;
constexpr std::string_view qwen35_ignored[] = {"model.visual.", "visual."};

}  // namespace

const Architecture qwen35{.name = "qwen35",
                          .gguf_name = "qwen35",
                          .hf_model_type = "qwen3_5_text",
                          .hf_class = "Qwen3_5ForCausalLM",
                          .experts = false,
                          .fields = {&decoder_fields, &qwen_delta_fields, &qwen35_fields},
                          .names = qwen35_names,
                          .hf_defaults = {.rotated_share = 0.25},
                          .gguf_names = qwen35_gguf_names,
                          .hf_aliases = {"qwen3_5"},
                          .hf_child = "text_config",
                          .hf_ignored = qwen35_ignored,
                          .gguf_tiled_heads = true};

const Architecture qwen35moe{
    .name = "qwen35moe",
    .gguf_name = "qwen35moe",
    .hf_model_type = "qwen3_5_moe_text",
    .hf_class = "Qwen3_5MoeForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &qwen_mixture_fields, &qwen_delta_mixture_fields, &qwen_delta_fields, &qwen35_fields},
    .names = qwen35_names,
    .hf_defaults = {.rotated_share = 0.25},
    .gguf_names = qwen35_gguf_names,
    .hf_aliases = {"qwen3_5_moe"},
    .hf_child = "text_config",
    .hf_ignored = qwen35_ignored,
    .gguf_tiled_heads = true};

}  // namespace gremium::archs
