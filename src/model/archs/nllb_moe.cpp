// NLLB-MoE: NLLB Team, "No Language Left Behind" (2022), a translator with GShard's mixtures (Lepikhin et al. 2020):
// two experts a token. Encoder and decoder, sinusoidal positions, LayerNorm, biases everywhere. There is no GGUF
// layout.
#include <cmath>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule nllb_moe_names[] = {
    {"token_embd", "model.shared"},
    {"output_norm", "model.{decoder|encoder}.layer_norm"},
    {"blk.{l}.attn_norm", "model.{decoder|encoder}.layers.{l}.self_attn_layer_norm"},
    {"blk.{l}.attn_q", "model.{decoder|encoder}.layers.{l}.self_attn.q_proj"},
    {"blk.{l}.attn_k", "model.{decoder|encoder}.layers.{l}.self_attn.k_proj"},
    {"blk.{l}.attn_v", "model.{decoder|encoder}.layers.{l}.self_attn.v_proj"},
    {"blk.{l}.attn_output", "model.{decoder|encoder}.layers.{l}.self_attn.out_proj"},
    {"blk.{l}.cross_attn_norm", "model.decoder.layers.{l}.cross_attention_layer_norm"},
    {"blk.{l}.cross_attn_q", "model.decoder.layers.{l}.cross_attention.q_proj"},
    {"blk.{l}.cross_attn_k", "model.decoder.layers.{l}.cross_attention.k_proj"},
    {"blk.{l}.cross_attn_v", "model.decoder.layers.{l}.cross_attention.v_proj"},
    {"blk.{l}.cross_attn_output", "model.decoder.layers.{l}.cross_attention.out_proj"},
    {"blk.{l}.ffn_norm", "model.{decoder|encoder}.layers.{l}.ff_layer_norm"},
    {"blk.{l}.ffn_up", "model.{decoder|encoder}.layers.{l}.ffn.fc1"},
    {"blk.{l}.ffn_down", "model.{decoder|encoder}.layers.{l}.ffn.fc2"},
    {"blk.{l}.ffn_gate_inp", "model.{decoder|encoder}.layers.{l}.ffn.router.classifier"},
    {"blk.{l}.ffn_up_exps", "model.{decoder|encoder}.layers.{l}.ffn.experts.expert_{e}.fc1"},
    {"blk.{l}.ffn_down_exps", "model.{decoder|encoder}.layers.{l}.ffn.experts.expert_{e}.fc2"},
};
constexpr std::string_view nllb_moe_ignored[] = {"model.encoder.embed_tokens", "model.decoder.embed_tokens",
                                                 "model.encoder.embed_positions", "model.decoder.embed_positions"};

// Behind the position of padding, 1.
constexpr int first_position = 2;

void read_steps(const Input& in, Outline& o) {
    o.mixture_layers = every(in.hf->get<int32_t>("decoder_sparse_step", 4));
    o.encoder = Outline{};
    o.encoder->mixture_layers = every(in.hf->get<int32_t>("encoder_sparse_step", 4));
}

void write_encoder_step(const Outline& o, Output& out) { out.say("", "encoder_sparse_step", step_of(*o.encoder)); }
void nllb_moe_write_step(const Outline& o, Output& out) { out.say("", "decoder_sparse_step", step_of(o)); }

void read_embedding_scale(const Input& in, Outline& o) {
    if (in.hf->get<bool>("scale_embedding", true)) o.model.embedding_scale = std::sqrt(static_cast<float>(o.model.dim));
}
void write_embedding_scale(const Outline& o, Output& out) {
    (*out.hf)["scale_embedding"] = o.model.embedding_scale != 1;
}

void nllb_moe_complete(const Input&, Outline& o) {
    o.model.norm = {.kind = NormKind::layer, .eps = 1e-5f, .bias = true};
    o.model.first_sinusoid = first_position;
    o.attention.qkv_bias = o.attention.out_bias = true;
    o.moe.router.top_k = 2;
    o.moe.router.normalise = true;
    o.dense.bias = o.moe.bias = true;
    complete_stacks(o);
}

constexpr Field nllb_moe_table[] = {
    model_name,
    field(FIELD_AT(model.vocab), {.hf = {"vocab_size"}}),
    field(FIELD_AT(model.dim), {.hf = {"d_model"}}),
    special(read_steps),
    field(FIELD_AT(encoder->layers), {.hf = {"encoder_layers"}}),
    field(FIELD_AT(encoder->attention.heads), {.hf = {"encoder_attention_heads"}}),
    field(FIELD_AT(encoder->dense.hidden), {.hf = {"encoder_ffn_dim"}}),
    special(nullptr, write_encoder_step),
    field(FIELD_AT(layers), {.hf = {"decoder_layers"}}),
    field(FIELD_AT(attention.heads), {.hf = {"decoder_attention_heads"}}),
    field(FIELD_AT(dense.hidden), {.hf = {"decoder_ffn_dim"}}),
    special(nullptr, nllb_moe_write_step),
    field(FIELD_AT(moe.router.experts), {.hf = {"num_experts"}}),
    field(FIELD_AT(moe.router.scale), {.hf = {"moe_token_dropout"}, .otherwise = 0.2f, .one_minus = true}),
    written_and_expected("moe_eval_capacity_token_fraction", "1.0"),
    field(FIELD_AT(moe.router.normalise_dropped),
          {.hf = {"normalize_router_prob_before_dropping"}, .otherwise = false}),
    second_expert,
    field(FIELD_AT(moe.router_bias), {.hf = {"router_bias"}, .otherwise = false}),
    written_and_expected("batch_prioritized_routing", "false"),
    field(FIELD_AT(model.context), {.hf = {"max_position_embeddings"}, .otherwise = 1024}),
    written_and_expected("activation_function", "\"relu\""),
    special(read_embedding_scale, write_embedding_scale),
    written("is_encoder_decoder", "true"),
    field(FIELD_AT(model.tied_head), {.hf = {"tie_word_embeddings"}, .otherwise = true}),
    field(FIELD_AT(model.decoder_start), {.hf = {"decoder_start_token_id"}, .otherwise = 2}),
    special(nllb_moe_complete),
};
constexpr Fields nllb_moe_fields = nllb_moe_table;

}  // namespace

const Architecture nllb_moe{
    .name = "nllb_moe",
    .gguf_name = "",
    .hf_model_type = "nllb-moe",
    .hf_class = "NllbMoeForConditionalGeneration",
    .experts = true,
    .fields = {&nllb_moe_fields},
    .names = nllb_moe_names,
    .hf_ignored = nllb_moe_ignored,
    .has_encoder = true,
};

}  // namespace gremium::archs
