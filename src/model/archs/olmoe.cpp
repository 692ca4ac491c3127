// OLMoE: Muennighoff et al., "OLMoE: Open Mixture-of-Experts Language Models" (2024). RMSNorm over the whole
// of q and k.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

void refuse_clamp(const Input& in, Outline&) {
    if (in.gguf && in.gguf->contains(key(*in.gguf, "attention.clamp_kqv")))
        fail("{}: {} is not supported", in.source(), key(*in.gguf, "attention.clamp_kqv"));
}

constexpr Field olmoe_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::full),
    expected("attention_bias", "false"),
    special(refuse_clamp),
    num_experts("num_experts"),
    experts_per_token,
    width_of_experts,
    norm_topk_prob,
    written_and_expected("clip_qkv", "null"),
};
constexpr Fields olmoe_fields = olmoe_table;

}  // namespace

const Architecture olmoe{
    .name = "olmoe",
    .gguf_name = "olmoe",
    .hf_model_type = "olmoe",
    .hf_class = "OlmoeForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &olmoe_fields},
    .names = {},
    .hf_defaults = {.eps = 1e-5f},
    .gguf_needs_head = true,
    .gguf_needs_own_keys = true,
};

}  // namespace gremium::archs
