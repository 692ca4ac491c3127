// Grok-1 and Grok-2: xAI (2024, 2025). Capped attention scores and logits, norms behind attention and feed-forward,
// experts with GELU gates; in Grok-2 beside a dense feed-forward. Absent keys mean Grok-1's numbers. The cap of router
// logits that files say is not applied, as in llama.cpp: it leaves the choice as it is, and nearly the weights.
#include <numbers>
#include <tuple>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule grok_gguf_names[] = {
    {"blk.{l}.post_attention_norm", "blk.{l}.attn_output_norm"},
    {"blk.{l}.post_ffw_norm", "blk.{l}.post_ffw_norm"},
    {"blk.{l}.post_ffw_norm", "blk.{l}.layer_output_norm"},
    // The dense branch has the place of shared experts.
    {"blk.{l}.ffn_gate_shexp", "blk.{l}.ffn_gate"},
    {"blk.{l}.ffn_up_shexp", "blk.{l}.ffn_up"},
    {"blk.{l}.ffn_down_shexp", "blk.{l}.ffn_down"},
};

void read_grok_experts(const Input& in, Outline& o) {
    MoeSpec& m = o.moe;
    const int wide = in.number("feed_forward_length", "", 0);
    m.hidden = in.number("expert_feed_forward_length", "", wide);
    m.shared_hidden = wide;
    m.output_scale = std::numbers::sqrt2_v<float> / 2;
    std::ignore = in.gguf && in.gguf->contains(key(*in.gguf, "router_logit_softcapping"));
}

void write_grok_experts(const Outline& o, Output& out) {
    out.say("feed_forward_length", "", o.moe.shared_hidden > 0 ? o.moe.shared_hidden : o.moe.hidden);
    out.say("expert_feed_forward_length", "", o.moe.hidden);
}

constexpr Field grok_table[] = {
    field(FIELD_AT(model.embedding_scale), {.gguf = "embedding_scale", .otherwise = 78.38367176906169}),
    field(FIELD_AT(attention.scale), {.gguf = "attention.output_scale", .otherwise = 0.08838834764831845}),
    field(FIELD_AT(attention.softcap), {.gguf = "attn_logit_softcapping", .otherwise = 30}),
    field(FIELD_AT(model.logit_softcap), {.gguf = "final_logit_softcapping", .otherwise = 0}),
    special([](const Input& in, Outline& o) { read_logit_scale(in, o, 0.5773502691896257f); }, write_logit_scale),
    num_experts("num_experts"),
    experts_per_token,
    special(read_grok_experts, write_grok_experts),
    always(FIELD_AT(moe.activation.kind), kernels::Activation::gelu),
    always(FIELD_AT(moe.router.normalise), true),
    always(FIELD_AT(post_norms), true),
};
constexpr Fields grok_fields = grok_table;

}  // namespace

const Architecture grok{
    .name = "grok",
    .gguf_name = "grok",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &grok_fields},
    .names = {},
    .gguf_names = grok_gguf_names,
    .gguf_optional_shared = true,
};

}  // namespace gremium::archs
