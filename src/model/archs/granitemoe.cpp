// GraniteMoE: IBM, "Granite 3.0 Language Models" (2024). Mixtral's router; embeddings, residuals, scores and logits
// have scales of their own.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule granitemoe_names[] = {
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.block_sparse_moe.router.layer"},
    {"blk.{l}.ffn_gate_exps", "model.layers.{l}.block_sparse_moe.input_linear", {.part = Layout::Part::first}},
    {"blk.{l}.ffn_up_exps", "model.layers.{l}.block_sparse_moe.input_linear", {.part = Layout::Part::last}},
    {"blk.{l}.ffn_down_exps", "model.layers.{l}.block_sparse_moe.output_linear"},
    {"blk.{l}.ffn_gate_shexp", "model.layers.{l}.shared_mlp.input_linear", {.part = Layout::Part::first}},
    {"blk.{l}.ffn_up_shexp", "model.layers.{l}.shared_mlp.input_linear", {.part = Layout::Part::last}},
    {"blk.{l}.ffn_down_shexp", "model.layers.{l}.shared_mlp.output_linear"},
};

// Said, for Hugging Face's readers take it as it stands.
void complete_scale(const Input&, Outline& o) {
    if (o.attention.scale == 0) o.attention.scale = score_scale(o.attention);
}

void write_shared(const Outline& o, Output& out) {
    if (o.moe.shared_hidden == 0) return;
    out.say("expert_shared_feed_forward_length", "shared_intermediate_size", o.moe.shared_hidden);
    if (out.hf)
        out.hf->update({{"model_type", "granitemoeshared"}, {"architectures", {"GraniteMoeSharedForCausalLM"}}});
}

void read_shared(const Input& in, Outline& o) {
    o.moe.shared_hidden = in.number("expert_shared_feed_forward_length", "shared_intermediate_size", 0);
}

constexpr Field granite_scale_table[] = {
    field(FIELD_AT(model.embedding_scale), {.gguf = "embedding_scale", .hf = {"embedding_multiplier"}, .otherwise = 1}),
    field(FIELD_AT(model.residual_scale), {.gguf = "residual_scale", .hf = {"residual_multiplier"}, .otherwise = 1}),
    field(FIELD_AT(model.logit_divisor), {.gguf = "logit_scale", .hf = {"logits_scaling"}, .otherwise = 1}),
    field(FIELD_AT(attention.scale),
          {.gguf = "attention.scale", .hf = {"attention_multiplier"}, .otherwise = 0, .hf_otherwise = 1}),
    special(complete_scale),
};

constexpr Field granitemoe_table[] = {
    expected("attention_bias", "false"),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::softmax_selected),
    num_experts("num_local_experts"),
    experts_per_token,
    width_of_experts,
    special(read_shared, write_shared),
};
constexpr Fields granitemoe_fields = granitemoe_table;

}  // namespace

constinit const Fields granite_scale_fields = granite_scale_table;

const Architecture granitemoe{
    .name = "granitemoe",
    .gguf_name = "granitemoe",
    .hf_model_type = "granitemoe",
    .hf_class = "GraniteMoeForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &granite_scale_fields, &granitemoe_fields},
    .names = granitemoe_names,
    .gguf_pairing = kernels::RopePairing::interleaved,
    .hf_aliases = {"granitemoeshared"},
};

}  // namespace gremium::archs
