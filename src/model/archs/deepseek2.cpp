// DeepSeek-V2, V2-Lite, V3 and R1: DeepSeek-AI, "DeepSeek-V2", "DeepSeek-V3 Technical Report" (2024); Kimi K2,
// GLM-4.7-Flash, Mistral Large 3. Latent attention, YaRN that also scales scores, groups of experts (older GGUF: by
// their number).
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

// Keys' and values' matrices out of the latent lie below each other, head by head.
constexpr Layout key_rows{.part = Layout::Part::first, .transposed = true, .joined = true};
constexpr Layout value_rows{.part = Layout::Part::last, .joined = true};
constexpr NameRule deepseek2_gguf_names[] = {
    {"blk.{l}.attn_k_b", "blk.{l}.attn_kv_b", key_rows},
    {"blk.{l}.attn_v_b", "blk.{l}.attn_kv_b", value_rows},
};
constexpr NameRule deepseek2_names[] = {
    {"blk.{l}.attn_k_b", "model.layers.{l}.self_attn.kv_b_proj", key_rows},
    {"blk.{l}.attn_v_b", "model.layers.{l}.self_attn.kv_b_proj", value_rows},
};
// A layer that predicts a second token (V3); what sees images (Kimi K2.5).
constexpr std::string_view deepseek2_ignored[] = {"model.layers.{l}.", "vision_tower.", "mm_projector."};

void complete_attention(const Input& in, Outline& o) {
    o.attention.kv_heads = o.attention.heads;
    const auto scaling = in.hf ? rotation_said(in, {"rope_scaling", "rope_parameters"}) : std::nullopt;
    YarnSpec& yarn = o.attention.rope.yarn;
    if (scaling && yarn.factor != 1)
        yarn.log_multiplier = static_cast<float>(0.1 * scaling->get<double>("mscale_all_dim", 0));
}

// llama.cpp's heads are the absorbed ones: one of keys, made of the latent and what is rotated.
void write_absorbed(const Outline& o, Output& out) {
    out.say("attention.head_count_kv", "", 1);
    out.say("attention.key_length", "", o.attention.latent.rank + o.attention.rope.dims);
    out.say("attention.value_length", "", o.attention.latent.rank);
    if (out.hf) out.hf->erase("head_dim");
}

void expect_score(const Input& in, Outline& o) {
    const bool second = !in.hf || in.hf->get<std::string>("model_type", "") == "deepseek_v2";
    o.moe.router.score = second ? moe::RouterPolicy::Score::softmax : moe::RouterPolicy::Score::sigmoid;
}

void read_released_groups(const Input& in, Outline& o) {
    moe::RouterPolicy& r = o.moe.router;
    const bool third = r.score == moe::RouterPolicy::Score::sigmoid;
    if (in.hf || in.gguf->contains(key(*in.gguf, "expert_group_count")) || r.experts != (third ? 256 : 160)) return;
    r.groups = 8;
    r.groups_used = third ? 4 : 3;
    r.group_score = third ? moe::RouterPolicy::GroupScore::two_best : moe::RouterPolicy::GroupScore::best;
}

// No groups are said in GGUF too, so that they are not guessed.
void write_kind(const Outline& o, Output& out) {
    const moe::RouterPolicy& r = o.moe.router;
    if (r.groups == 1) out.say("expert_group_count", "", 1);
    if (!out.hf) return;
    const bool third = r.score == moe::RouterPolicy::Score::sigmoid;
    (*out.hf)["topk_method"] = third ? "noaux_tc" : r.groups > 1 ? "group_limited_greedy" : "greedy";
    if (!third) out.hf->update({{"model_type", "deepseek_v2"}, {"architectures", {"DeepseekV2ForCausalLM"}}});
}

constexpr Field deepseek2_table[] = {special(expect_score)};
constexpr Fields deepseek2_fields = deepseek2_table;
constexpr Field deepseek2_last_table[] = {
    expected("attention_bias", "false"),
    expected("rope_interleave", "true"),
    special(complete_attention, write_absorbed),
    // Older GGUF files have the lengths of heads where absorbed ones are now.
    field(FIELD_AT(attention.rope.dims),
          {.gguf = "rope.dimension_count", .hf = {"qk_rope_head_dim"}, .written = false}),
    field(FIELD_AT(attention.head_dim), {.gguf = "attention.key_length_mla", .otherwise = kept}),
    field(FIELD_AT(attention.head_dim), {.hf = {"qk_nope_head_dim"}, .plus = FIELD_AT(attention.rope.dims)}),
    field(FIELD_AT(attention.rope.dims), {.hf = {"qk_rope_head_dim"}}),
    field(FIELD_AT(attention.value_dim), {.gguf = "attention.value_length_mla", .otherwise = kept}),
    field(FIELD_AT(attention.value_dim), {.hf = {"v_head_dim"}}),
    field(FIELD_AT(attention.latent.rank), {.gguf = "attention.kv_lora_rank", .hf = {"kv_lora_rank"}}),
    field(FIELD_AT(attention.latent.query_rank), {.gguf = "attention.q_lora_rank",
                                                  .hf = {"q_lora_rank"},
                                                  .otherwise = 0,
                                                  .unsaid_in_gguf = true,
                                                  .null_in_hf = true}),
    written("moe_layer_freq", "1"),
    written("num_nextn_predict_layers", "0"),
    special(read_released_groups, write_kind),
    query_temperature,
};
constexpr Fields deepseek2_last_fields = deepseek2_last_table;

}  // namespace

const Architecture deepseek2{
    .name = "deepseek2",
    .gguf_name = "deepseek2",
    .hf_model_type = "deepseek_v3",
    .hf_class = "DeepseekV3ForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &deepseek2_fields, &deepseek_mixture_fields, &deepseek2_last_fields},
    .names = deepseek2_names,
    .gguf_names = deepseek2_gguf_names,
    .gguf_pairing = kernels::RopePairing::interleaved,
    .hf_pairing = kernels::RopePairing::interleaved,
    .hf_aliases = {"deepseek_v2", "glm4_moe_lite", "kimi_k2", "kimi_k25"},
    .hf_child = "text_config",
    .hf_ignored = deepseek2_ignored,
    .gguf_needs_head = true,
};

}  // namespace gremium::archs
