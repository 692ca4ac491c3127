// Qwen2 and Qwen2.5, dense: Yang et al., "Qwen2 Technical Report" (2024). Biases on q, k and v.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Field qwen2_table[] = {
    always(FIELD_AT(attention.qkv_bias), true),
    written("use_sliding_window", "false"),
};
constexpr Fields qwen2_fields = qwen2_table;

}  // namespace

const Architecture qwen2{
    .name = "qwen2",
    .gguf_name = "qwen2",
    .hf_model_type = "qwen2",
    .hf_class = "Qwen2ForCausalLM",
    .experts = false,
    .fields = {&decoder_fields, &qwen2_fields},
    .names = {},
};

}  // namespace gremium::archs
