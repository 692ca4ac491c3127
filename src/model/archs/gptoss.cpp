// gpt-oss: OpenAI, "gpt-oss-120b & gpt-oss-20b Model Card" (2025). Attention sinks, every other layer windowed, YaRN,
// biases everywhere, clamped SwiGLU. In GGUF files of llama.cpp's converter YaRN's blend begins and ends at whole
// dimensions, as llama.cpp computes it; in the original it does not.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule gptoss_gguf_names[] = {{"blk.{l}.ffn_norm", "blk.{l}.post_attention_norm"}};

// Gate and up are interleaved. Matrices are [in, out], but those in MXFP4, which are as here.
constexpr Layout gptoss_gate{.part = Layout::Part::even, .columns = true, .transposed = true};
constexpr Layout gptoss_up{.part = Layout::Part::odd, .columns = true, .transposed = true};
constexpr NameRule gptoss_names[] = {
    {"blk.{l}.attn_sinks.weight", "model.layers.{l}.self_attn.sinks"},
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.mlp.router"},
    {"blk.{l}.ffn_gate_exps.weight", "model.layers.{l}.mlp.experts.gate_up_proj", gptoss_gate},
    {"blk.{l}.ffn_up_exps.weight", "model.layers.{l}.mlp.experts.gate_up_proj", gptoss_up},
    {"blk.{l}.ffn_down_exps.weight", "model.layers.{l}.mlp.experts.down_proj", {.transposed = true}},
    {"blk.{l}.ffn_gate_exps.weight", "model.layers.{l}.mlp.experts.gate_up_proj_blocks", {.part = Layout::Part::even}},
    {"blk.{l}.ffn_up_exps.weight", "model.layers.{l}.mlp.experts.gate_up_proj_blocks", {.part = Layout::Part::odd}},
    {"blk.{l}.ffn_down_exps.weight", "model.layers.{l}.mlp.experts.down_proj_blocks"},
    {"blk.{l}.ffn_gate_exps.bias", "model.layers.{l}.mlp.experts.gate_up_proj_bias", {.part = Layout::Part::even}},
    {"blk.{l}.ffn_up_exps.bias", "model.layers.{l}.mlp.experts.gate_up_proj_bias", {.part = Layout::Part::odd}},
    {"blk.{l}.ffn_down_exps.bias", "model.layers.{l}.mlp.experts.down_proj_bias"},
};

// What config.json means that says nothing.
constexpr std::string_view rotation = R"({"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
    "truncate": false, "original_max_position_embeddings": 4096})";
void say_no_scaling(const Outline&, Output& out) {
    if (out.hf && (*out.hf)["rope_scaling"].is_null()) (*out.hf)["rope_scaling"] = {{"rope_type", "default"}};
}

constexpr Field gptoss_table[] = {
    always(FIELD_AT(attention.qkv_bias), true),
    always(FIELD_AT(attention.out_bias), true),
    always(FIELD_AT(attention.sinks), true),
    always(FIELD_AT(whole_period), 2),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::softmax_selected),
    always(FIELD_AT(moe.router_bias), true),
    always(FIELD_AT(moe.bias), true),
    always(FIELD_AT(moe.activation.kind), kernels::Activation::clamped_swiglu),
    num_experts("num_local_experts"),
    experts_per_token,
    field(FIELD_AT(moe.hidden), {.gguf = "expert_feed_forward_length", .hf = {"intermediate_size"}}),
    field(FIELD_AT(attention.window),
          {.gguf = "attention.sliding_window", .hf = {"sliding_window"}, .hf_otherwise = 128}),
    special(nullptr, say_no_scaling),
    expected("attention_bias", "true"),
    field(FIELD_AT(moe.activation.limit), {.hf = {"swiglu_limit"}, .otherwise = kept}),
    kinds_of_layers("layer_types", "\"full_attention\"", "\"sliding_attention\""),
};
constexpr Fields gptoss_fields = gptoss_table;

}  // namespace

const Architecture gptoss{
    .name = "gptoss",
    .gguf_name = "gpt-oss",
    .hf_model_type = "gpt_oss",
    .hf_class = "GptOssForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &gptoss_fields},
    .names = gptoss_names,
    .hf_defaults = {.eps = 1e-5f, .rope_base = 150000, .rotation = rotation, .reads_windows = true},
    .gguf_names = gptoss_gguf_names,
    .gguf_needs_head = true,
};

}  // namespace gremium::archs
