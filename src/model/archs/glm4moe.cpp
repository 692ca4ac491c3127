// GLM-4.5 and 4.6: Zeng et al., "GLM-4.5: Agentic, Reasoning, and Coding Foundation Models" (2025). DeepSeek-V3's
// mixture under grouped-query attention that rotates half of each head; norms of q and k in the large ones.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule glm4moe_gguf_names[] = {{"blk.{l}.ffn_norm", "blk.{l}.post_attention_norm"}};
// A layer that predicts a second token.
constexpr std::string_view gguf_ignored[] = {"blk.{l}."}, hf_ignored[] = {"model.layers.{l}."};

constexpr Field glm4moe_table[] = {
    // In GGUF if its tensors are there.
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
};
constexpr Fields glm4moe_fields = glm4moe_table;
constexpr Field glm4moe_last_table[] = {
    field(FIELD_AT(attention.qkv_bias), {.hf = {"attention_bias"}, .otherwise = false}),
    field(FIELD_AT(attention.qk_norm), {.hf = {"use_qk_norm"}, .otherwise = QkNorm::none, .yes = QkNorm::per_head}),
    rotated_share,
    written("num_nextn_predict_layers", "0"),
};
constexpr Fields glm4moe_last_fields = glm4moe_last_table;

}  // namespace

const Architecture glm4moe{
    .name = "glm4moe",
    .gguf_name = "glm4moe",
    .hf_model_type = "glm4_moe",
    .hf_class = "Glm4MoeForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &glm4moe_fields, &deepseek_mixture_fields, &glm4moe_last_fields},
    .names = {},
    .hf_defaults = {.eps = 1e-5f, .rotated_share = 0.5},
    .gguf_names = glm4moe_gguf_names,
    .hf_ignored = hf_ignored,
    .gguf_ignored = gguf_ignored,
    .gguf_optional_qk_norm = true,
};

}  // namespace gremium::archs
