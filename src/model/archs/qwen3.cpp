// Qwen3, dense: Yang et al., "Qwen3 Technical Report" (2025). RMSNorm over each head of q and k.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Field qwen3_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    expected("attention_bias", "false"),
    written("use_sliding_window", "false"),
};
constexpr Fields qwen3_fields = qwen3_table;

}  // namespace

const Architecture qwen3{
    .name = "qwen3",
    .gguf_name = "qwen3",
    .hf_model_type = "qwen3",
    .hf_class = "Qwen3ForCausalLM",
    .experts = false,
    .fields = {&decoder_fields, &qwen3_fields},
    .names = {},
};

}  // namespace gremium::archs
