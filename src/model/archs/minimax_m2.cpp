// MiniMax-M2, M2.5, M2.7: MiniMax (2025). Norms over whole queries and keys, half of each head rotated, a router with
// sigmoids and corrections, mixtures in all layers.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule minimax_names[] = {
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.block_sparse_moe.gate"},
    {"blk.{l}.exp_probs_b.bias", "model.layers.{l}.block_sparse_moe.e_score_correction_bias"},
    {"blk.{l}.ffn_gate_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w1"},
    {"blk.{l}.ffn_up_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w3"},
    {"blk.{l}.ffn_down_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w2"},
};

constexpr Field minimax_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::full),
    written_and_expected("use_qk_norm", "true"),
    field(FIELD_AT(attention.rope.dims), {.hf = {"rotary_dim"}, .otherwise = kept}),
    num_experts("num_local_experts"),
    experts_per_token,
    field(FIELD_AT(moe.hidden), {.gguf = "expert_feed_forward_length", .hf = {"intermediate_size"}}),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
    gating,
    always(FIELD_AT(moe.router.normalise), true),
    always(FIELD_AT(moe.router.correction_bias), true),
    field(FIELD_AT(moe.router.correction_bias), {.hf = {"use_routing_bias"}, .otherwise = true}),
};
constexpr Fields minimax_fields = minimax_table;

}  // namespace

const Architecture minimax_m2{
    .name = "minimax-m2",
    .gguf_name = "minimax-m2",
    .hf_model_type = "minimax_m2",
    .hf_class = "MiniMaxM2ForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &minimax_fields},
    .names = minimax_names,
    .hf_defaults = {.rope_base = 5e6f},
};

}  // namespace gremium::archs
