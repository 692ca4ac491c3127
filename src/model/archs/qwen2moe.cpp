// Qwen1.5-MoE and Qwen2-MoE: Yang et al., "Qwen2 Technical Report" (2024). A shared expert behind a sigmoid
// gate.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule qwen2moe_names[] = {
    {"blk.{l}.ffn_gate_shexp", "model.layers.{l}.mlp.shared_expert.gate_proj"},
    {"blk.{l}.ffn_up_shexp", "model.layers.{l}.mlp.shared_expert.up_proj"},
    {"blk.{l}.ffn_down_shexp", "model.layers.{l}.mlp.shared_expert.down_proj"},
    {"blk.{l}.ffn_gate_inp_shexp", "model.layers.{l}.mlp.shared_expert_gate"},
};

void complete_shared_width(const Input& in, Outline& o) {
    if (o.moe.shared_hidden > 0) return;
    o.moe.shared_hidden = in.hf ? in.hf->require<int32_t>("shared_expert_intermediate_size") : o.dense.hidden;
}

constexpr Field qwen2moe_table[] = {
    always(FIELD_AT(attention.qkv_bias), true),
    field(FIELD_AT(moe.shared_hidden),
          {.gguf = "expert_shared_feed_forward_length", .hf = {"shared_expert_intermediate_size"}, .otherwise = 0}),
    special(complete_shared_width),
    always(FIELD_AT(moe.shared_gate), true),
    field(FIELD_AT(attention.qkv_bias), {.hf = {"qkv_bias"}, .otherwise = true}),
};
constexpr Fields qwen2moe_fields = qwen2moe_table;

}  // namespace

const Architecture qwen2moe{
    .name = "qwen2moe",
    .gguf_name = "qwen2moe",
    .hf_model_type = "qwen2_moe",
    .hf_class = "Qwen2MoeForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &qwen_mixture_fields, &qwen2moe_fields},
    .names = qwen2moe_names,
    .gguf_needs_head = true,
};

}  // namespace gremium::archs
