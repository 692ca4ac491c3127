// DBRX: Databricks (2024). LayerNorms without biases, one matrix for clipped queries, keys and values, 16 experts.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule dbrx_gguf_names[] = {{"blk.{l}.ffn_norm", "blk.{l}.attn_output_norm"}};

constexpr Field dbrx_table[] = {
    field(FIELD_AT(attention.clip), {.gguf = "attention.clamp_kqv", .otherwise = 0}),
    field(FIELD_AT(moe.router.experts), {.gguf = "expert_count"}),
    experts_per_token,
    width_of_experts,
    always(FIELD_AT(moe.router.normalise), true),
};
constexpr Fields dbrx_fields = dbrx_table;

}  // namespace

const Architecture dbrx{
    .name = "dbrx",
    .gguf_name = "dbrx",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &dbrx_fields},
    .names = {},
    .hf_defaults = {.layer_norms = true},
    .gguf_names = dbrx_gguf_names,
    .gguf_joins_qkv = true,
};

}  // namespace gremium::archs
