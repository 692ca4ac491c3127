// Ling and Ring 2.0: Ling Team, "Every Activation Boosted" (2025); Sarvam-MoE. DeepSeek-V3's mixture under
// grouped-query attention with norms of each head, of which half is rotated. q, k and v are one matrix.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule bailing_names[] = {
    {"token_embd", "model.word_embeddings"},
    {"blk.{l}.attn_q", "model.layers.{l}.attention.query_key_value", {.part = Layout::Part::next}},
    {"blk.{l}.attn_k", "model.layers.{l}.attention.query_key_value", {.part = Layout::Part::next}},
    {"blk.{l}.attn_v", "model.layers.{l}.attention.query_key_value", {.part = Layout::Part::next}},
    {"blk.{l}.attn_output", "model.layers.{l}.attention.dense"},
    {"blk.{l}.attn_q_norm", "model.layers.{l}.attention.query_layernorm"},
    {"blk.{l}.attn_k_norm", "model.layers.{l}.attention.key_layernorm"},
    {"blk.{l}.exp_probs_b.bias", "model.layers.{l}.mlp.gate.expert_bias"},
};

// In GGUF the width of one shared expert, as many of which there are.
void read_bailing_shared(const Input& in, Outline& o) {
    const int count = in.number("expert_shared_count", "num_shared_experts", 0);
    const int width = in.number("expert_shared_feed_forward_length", "moe_shared_expert_intermediate_size", 0);
    o.moe.shared_hidden = count * (width > 0 ? width : o.moe.hidden);
}

void write_bailing(const Outline& o, Output& out) {
    const int width = o.moe.hidden > 0 && o.moe.shared_hidden % o.moe.hidden == 0 ? o.moe.hidden : o.moe.shared_hidden;
    const int count = o.moe.shared_hidden / std::max(1, width);
    out.say("expert_shared_count", "num_shared_experts", count);
    if (count > 0) out.say("expert_shared_feed_forward_length", "moe_shared_expert_intermediate_size", width);
    if (!out.hf) return;
    for (const auto& [name, instead] :
         {std::pair("n_routed_experts", "num_experts"), {"scoring_func", "score_function"}})
        (*out.hf)[instead] = (*out.hf)[name];
    for (const char* name : {"n_routed_experts", "n_shared_experts", "scoring_func", "moe_layer_freq"})
        out.hf->erase(name);
}

void require_score(const Input& in, Outline&) {
    if (in.gguf) std::ignore = in.gguf->require<int32_t>(key(*in.gguf, "expert_gating_func"));
}

constexpr Field bailing_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    written_and_expected("use_qk_norm", "true"),
    rotated_share,
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
    special(require_score),
};
constexpr Fields bailing_fields = bailing_table;
constexpr Field bailing_last_table[] = {
    special(read_bailing_shared, write_bailing),
    field(FIELD_AT(moe.router.correction_bias), {.hf = {"moe_router_enable_expert_bias"}, .otherwise = true}),
    written("num_nextn_predict_layers", "0"),
};
constexpr Fields bailing_last_fields = bailing_last_table;

}  // namespace

const Architecture bailingmoe2{
    .name = "bailingmoe2",
    .gguf_name = "bailingmoe2",
    .hf_model_type = "bailing_moe_v2",
    .hf_class = "BailingMoeV2ForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &bailing_fields, &deepseek_mixture_fields, &bailing_last_fields},
    .names = bailing_names,
    .hf_defaults = {.rope_base = 600000, .rotated_share = 0.5},
    .gguf_joins_qkv = true,
};

}  // namespace gremium::archs
