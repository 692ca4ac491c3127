// Switch Transformers: Fedus et al. (2021) on T5 (Raffel et al. 2020). Encoder and decoder, biases of distances instead
// of positions, scores that are not scaled, one expert a token with a capacity. There is no GGUF layout.
#include <algorithm>
#include <cmath>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule switch_transformers_names[] = {
    {"token_embd", "shared"},
    {"output_norm", "{decoder|encoder}.final_layer_norm"},
    {"blk.0.attn_rel_b", "{decoder|encoder}.block.0.layer.0.SelfAttention.relative_attention_bias"},
    {"blk.{l}.attn_norm", "{decoder|encoder}.block.{l}.layer.0.layer_norm"},
    {"blk.{l}.attn_q", "{decoder|encoder}.block.{l}.layer.0.SelfAttention.q"},
    {"blk.{l}.attn_k", "{decoder|encoder}.block.{l}.layer.0.SelfAttention.k"},
    {"blk.{l}.attn_v", "{decoder|encoder}.block.{l}.layer.0.SelfAttention.v"},
    {"blk.{l}.attn_output", "{decoder|encoder}.block.{l}.layer.0.SelfAttention.o"},
    {"blk.{l}.cross_attn_norm", "decoder.block.{l}.layer.1.layer_norm"},
    {"blk.{l}.cross_attn_q", "decoder.block.{l}.layer.1.EncDecAttention.q"},
    {"blk.{l}.cross_attn_k", "decoder.block.{l}.layer.1.EncDecAttention.k"},
    {"blk.{l}.cross_attn_v", "decoder.block.{l}.layer.1.EncDecAttention.v"},
    {"blk.{l}.cross_attn_output", "decoder.block.{l}.layer.1.EncDecAttention.o"},
    {"blk.{l}.ffn_norm", "{decoder|encoder}.block.{l}.layer.{2|1}.layer_norm"},
    {"blk.{l}.ffn_up", "{decoder|encoder}.block.{l}.layer.{2|1}.mlp.wi"},
    {"blk.{l}.ffn_down", "{decoder|encoder}.block.{l}.layer.{2|1}.mlp.wo"},
    {"blk.{l}.ffn_gate_inp", "{decoder|encoder}.block.{l}.layer.{2|1}.mlp.router.classifier"},
    {"blk.{l}.ffn_up_exps", "{decoder|encoder}.block.{l}.layer.{2|1}.mlp.experts.expert_{e}.wi"},
    {"blk.{l}.ffn_down_exps", "{decoder|encoder}.block.{l}.layer.{2|1}.mlp.experts.expert_{e}.wo"},
};
constexpr std::string_view switch_transformers_ignored[] = {"encoder.embed_tokens", "decoder.embed_tokens"};

// Layers l with l % step = 1 are mixtures; with a step of 1 all are, of 0 none.
LayerPattern sparse_layers(int step) { return {.period = std::max(0, step), .offset = step == 1 ? 0 : 1}; }

int sparse_step(const Outline& stack) {
    const std::vector<int32_t> sparse = stack.mixture_layers.among(stack.layers);
    if (sparse.empty()) return 0;
    if (sparse.front() == 0) return 1;
    return sparse.size() > 1 ? sparse[1] - sparse[0] : std::max(2, stack.layers);
}

void read_layers(const Input& in, Outline& o) {
    o.encoder = Outline{};
    Outline& encoder = *o.encoder;
    encoder.layers = layer_count(*in.hf, "num_layers");
    o.layers = in.hf->contains("num_decoder_layers") ? layer_count(*in.hf, "num_decoder_layers") : encoder.layers;
    encoder.mixture_layers = sparse_layers(in.hf->get<int32_t>("encoder_sparse_step", 2));
    o.mixture_layers = sparse_layers(in.hf->get<int32_t>("decoder_sparse_step", 2));
}

void switch_write_layers(const Outline& o, Output& out) {
    out.say("", "num_layers", o.encoder->layers);
    out.say("", "num_decoder_layers", o.layers);
    out.say("", "encoder_sparse_step", sparse_step(*o.encoder));
    out.say("", "decoder_sparse_step", sparse_step(o));
}

void switch_transformers_complete(const Input&, Outline& o) {
    o.attention.scale = 1;
    o.moe.router.top_k = 1;
    if (o.model.tied_head) o.model.logit_divisor = std::sqrt(static_cast<float>(o.model.dim));
    o.encoder->attention = o.attention;
    o.encoder->dense = o.dense;
    complete_stacks(o);
}

constexpr Field switch_transformers_table[] = {
    model_name,
    field(FIELD_AT(model.vocab), {.hf = {"vocab_size"}}),
    field(FIELD_AT(model.dim), {.hf = {"d_model"}}),
    field(FIELD_AT(attention.head_dim), {.hf = {"d_kv"}}),
    field(FIELD_AT(dense.hidden), {.hf = {"d_ff"}}),
    field(FIELD_AT(attention.heads), {.hf = {"num_heads"}}),
    special(read_layers, switch_write_layers),
    field(FIELD_AT(moe.router.experts), {.hf = {"num_experts"}, .otherwise = 8}),
    field(FIELD_AT(moe.router.capacity), {.hf = {"expert_capacity"}, .otherwise = 64}),
    field(FIELD_AT(moe.router_bias), {.hf = {"router_bias"}, .otherwise = false}),
    field(FIELD_AT(model.relative_bias.buckets), {.hf = {"relative_attention_num_buckets"}, .otherwise = 32}),
    field(FIELD_AT(model.relative_bias.max_distance), {.hf = {"relative_attention_max_distance"}, .otherwise = 128}),
    field(FIELD_AT(model.context), {.hf = {"n_positions"}, .otherwise = 512}),
    field(FIELD_AT(model.norm.eps), {.hf = {"layer_norm_epsilon"}, .otherwise = 1e-6}),
    written_and_expected("dense_act_fn", "\"relu\""),
    written_and_expected("is_gated_act", "false"),
    written("is_encoder_decoder", "true"),
    field(FIELD_AT(model.tied_head), {.hf = {"tie_word_embeddings"}, .otherwise = true}),
    field(FIELD_AT(model.decoder_start), {.hf = {"decoder_start_token_id"}, .otherwise = 0}),
    special(switch_transformers_complete),
};
constexpr Fields switch_transformers_fields = switch_transformers_table;

}  // namespace

const Architecture switch_transformers{
    .name = "switch_transformers",
    .gguf_name = "",
    .hf_model_type = "switch_transformers",
    .hf_class = "SwitchTransformersForConditionalGeneration",
    .experts = true,
    .fields = {&switch_transformers_fields},
    .names = switch_transformers_names,
    .hf_ignored = switch_transformers_ignored,
    .has_encoder = true,
};

}  // namespace gremium::archs
