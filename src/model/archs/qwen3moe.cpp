// Qwen3-MoE: Yang et al., "Qwen3 Technical Report" (2025). RMSNorm over each head of q and k, no shared
// expert.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Field qwen3moe_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    expected("attention_bias", "false"),
    // In GGUF; config.json says it.
    always(FIELD_AT(moe.router.normalise), true),
};
constexpr Fields qwen3moe_fields = qwen3moe_table;

}  // namespace

const Architecture qwen3moe{
    .name = "qwen3moe",
    .gguf_name = "qwen3moe",
    .hf_model_type = "qwen3_moe",
    .hf_class = "Qwen3MoeForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &qwen3moe_fields, &qwen_mixture_fields},
    .names = {},
};

}  // namespace gremium::archs
