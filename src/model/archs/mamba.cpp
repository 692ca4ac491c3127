// Mamba: Gu, Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023): state space layers and
// nothing else. MoE-Mamba: Pióro et al. (2024): after each of them a mixture; the layout of its files is Gremium's own
// extension.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule mamba_names[] = {
    {"token_embd", "backbone.embeddings"},
    {"output_norm", "backbone.norm_f"},
    {"blk.{l}.attn_norm", "backbone.layers.{l}.norm"},
    {"blk.{l}.ssm_in", "backbone.layers.{l}.mixer.in_proj"},
    {"blk.{l}.ssm_conv1d", "backbone.layers.{l}.mixer.conv1d"},
    {"blk.{l}.ssm_x", "backbone.layers.{l}.mixer.x_proj"},
    {"blk.{l}.ssm_dt", "backbone.layers.{l}.mixer.dt_proj"},
    {"blk.{l}.ssm_a", "backbone.layers.{l}.mixer.A_log"},
    {"blk.{l}.ssm_d", "backbone.layers.{l}.mixer.D"},
    {"blk.{l}.ssm_out", "backbone.layers.{l}.mixer.out_proj"},
    {"blk.{l}.ffn_norm", "backbone.layers.{l}.moe_norm"},
    {"blk.{l}.ffn_gate_inp", "backbone.layers.{l}.moe.router"},
    {"blk.{l}.ffn_gate_exps", "backbone.layers.{l}.moe.experts.{e}.gate_proj"},
    {"blk.{l}.ffn_up_exps", "backbone.layers.{l}.moe.experts.{e}.up_proj"},
    {"blk.{l}.ffn_down_exps", "backbone.layers.{l}.moe.experts.{e}.down_proj"},
};

// What llama.cpp's converter writes: the state has no length.
constexpr int unbounded_context = 1 << 20;

void write_sizes(const Outline& o, Output& out) {
    out.say("block_count", "num_hidden_layers", o.layers);
    out.say("", "intermediate_size", o.ssm.inner);
    // Readers want to find the keys of attention and feed-forward too.
    out.say("feed_forward_length", "", 0);
    out.say("attention.head_count", "", 0);
}

void refuse_norms(const Input& in, Outline&) {
    if (in.gguf && in.gguf->get<bool>(key(*in.gguf, "ssm.dt_b_c_rms"), false))
        fail("{}: {} is not supported", in.source(), key(*in.gguf, "ssm.dt_b_c_rms"));
}

constexpr Field mamba_table[] = {
    model_name,
    vocabulary_size,
    field(FIELD_AT(model.dim), {.gguf = "embedding_length", .hf = {"hidden_size", "d_model"}}),
    special(read_layer_count, write_sizes),
    field(FIELD_AT(ssm.inner), {.hf = {"expand"}, .otherwise = 2, .unit = FIELD_AT(model.dim)}),
    field(FIELD_AT(ssm.inner), {.gguf = "ssm.inner_size", .hf = {"intermediate_size"}, .hf_otherwise = kept}),
    field(FIELD_AT(ssm.state), {.gguf = "ssm.state_size", .hf = {"state_size"}, .hf_otherwise = 16}),
    field(FIELD_AT(ssm.conv), {.gguf = "ssm.conv_kernel", .hf = {"conv_kernel"}, .hf_otherwise = 4}),
    rank_of_steps("time_step_rank"),
    rates_as_logarithms,
    field(FIELD_AT(model.norm.eps),
          {.gguf = "attention.layer_norm_rms_epsilon", .hf = {"layer_norm_epsilon"}, .hf_otherwise = 1e-5}),
    field(FIELD_AT(model.context),
          {.gguf = "context_length", .hf = {"max_position_embeddings"}, .hf_otherwise = unbounded_context}),
    field(FIELD_AT(model.tied_head), {.hf = {"tie_word_embeddings"}, .otherwise = true}),
    written("hidden_act", "\"silu\""),
    written_and_expected("use_bias", "false"),
    written_and_expected("use_conv_bias", "true"),
    written("residual_in_fp32", "true"),
    special(refuse_norms),
    always(FIELD_AT(attention_layers.period), 0),
    always(FIELD_AT(others_dense), false),
};
constexpr Fields mamba_fields = mamba_table;

constexpr Field moe_table[] = {
    num_experts("num_experts"),
    experts_per_token,
    field(FIELD_AT(moe.router.normalise),
          {.gguf = "expert_weights_norm", .hf = {"norm_topk_prob"}, .otherwise = false}),
    field(FIELD_AT(moe.router.capacity_factor),
          {.gguf = "expert_capacity_factor", .hf = {"capacity_factor"}, .otherwise = 0}),
    second_expert,
    own_width_of_experts,
};
constexpr Fields moe_fields = moe_table;

}  // namespace

const Architecture mamba{
    .name = "mamba",
    .gguf_name = "mamba",
    .hf_model_type = "mamba",
    .hf_class = "MambaForCausalLM",
    .experts = false,
    .fields = {&mamba_fields},
    .names = mamba_names,
};

const Architecture moe_mamba{
    .name = "moe_mamba",
    .gguf_name = "mamba",
    .hf_model_type = "moe_mamba",
    .hf_class = "MoeMambaForCausalLM",
    .experts = true,
    .fields = {&mamba_fields, &moe_fields},
    .names = mamba_names,
};

}  // namespace gremium::archs
