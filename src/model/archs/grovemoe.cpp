// GroveMoE: Wu et al., "GroveMoE" (2025). Qwen3-MoE with small experts that groups of experts share, each counted with
// the routing weight of every chosen expert of its group, as its publisher computes it; llama.cpp gives them the routed
// sum as input and other weights.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Field grove_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    num_experts("num_experts"),
    experts_per_token,
    own_width_of_experts,
    always(FIELD_AT(moe.router.normalise), true),
    field(FIELD_AT(moe.adjugate.group), {.gguf = "experts_per_group"}),
    field(FIELD_AT(moe.adjugate.hidden), {.gguf = "expert_chunk_feed_forward_length"}),
    field(FIELD_AT(moe.adjugate.scale), {.gguf = "expert_group_scale", .otherwise = 0.05f}),
};
constexpr Fields grove_fields = grove_table;

}  // namespace

const Architecture grovemoe{
    .name = "grovemoe",
    .gguf_name = "grovemoe",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &grove_fields},
    .names = {},
};

}  // namespace gremium::archs
