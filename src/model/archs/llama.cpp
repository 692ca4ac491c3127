// Llama 1–3 and models of the same layout: Touvron et al., "LLaMA" (2023). Hugging Face: LlamaForCausalLM.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Field llama_table[] = {
    field(FIELD_AT(attention.qkv_bias), {.hf = {"attention_bias"}, .otherwise = false}),
    field(FIELD_AT(attention.out_bias), {.hf = {"attention_bias"}, .otherwise = false}),
    expected("mlp_bias", "false"),
};
constexpr Fields llama_fields = llama_table;

}  // namespace

const Architecture llama{
    .name = "llama",
    .gguf_name = "llama",
    .hf_model_type = "llama",
    .hf_class = "LlamaForCausalLM",
    .experts = false,
    .fields = {&decoder_fields, &llama_fields},
    .names = {},
    .gguf_pairing = kernels::RopePairing::interleaved,
};

}  // namespace gremium::archs
