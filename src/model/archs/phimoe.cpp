// Phi-3.5-MoE: Abdin et al., "Phi-3 Technical Report" (2024). LayerNorm, biases in attention and head, longrope, and
// the SparseMixer router. llama.cpp computes its GGUF files with RMSNorm and Mixtral's router instead. Both are here: a
// Hugging Face model, and a GGUF file made of one by this program (it says router.sparse_epsilon), is Microsoft's; any
// other GGUF file is llama.cpp's.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule phimoe_names[] = {
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.block_sparse_moe.gate"},
    {"blk.{l}.ffn_gate_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w1"},
    {"blk.{l}.ffn_up_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w3"},
    {"blk.{l}.ffn_down_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w2"},
};

// In GGUF files if its tensor is there.
void expect_head_bias(const Input& in, Outline& o) { o.model.head_bias = in.gguf; }

using Score = moe::RouterPolicy::Score;

// An epsilon of 0 stands for llama.cpp's reading.
void phimoe_complete(const Input&, Outline& o) {
    const bool sparse = o.moe.router.sparse_epsilon > 0;
    o.model.norm.kind = sparse ? NormKind::layer : NormKind::rms;
    o.moe.router.score = sparse ? Score::sparsemixer : Score::softmax_selected;
}

void write_eps(const Outline& o, Output& out) {
    if (out.gguf) out.gguf->set(key(*out.gguf, "attention.layer_norm_epsilon"), o.model.norm.eps);
}

constexpr Field phimoe_table[] = {
    field(FIELD_AT(attention.qkv_bias), {.hf = {"attention_bias"}, .otherwise = false}),
    field(FIELD_AT(attention.out_bias), {.hf = {"attention_bias"}, .otherwise = false}),
    special(nullptr, write_eps),
    num_experts("num_local_experts"),
    experts_per_token,
    width_of_experts,
    field(FIELD_AT(moe.router.sparse_epsilon), {.gguf = "router.sparse_epsilon",
                                                .hf = {"router_jitter_noise"},
                                                .otherwise = 0,
                                                .hf_otherwise = 0.01f,
                                                .unsaid_in_gguf = true}),
    special(expect_head_bias),
    field(FIELD_AT(model.head_bias), {.hf = {"lm_head_bias"}, .otherwise = false}),
    always(FIELD_AT(model.norm.bias), true),
    special(phimoe_complete),
    written("sliding_window", "null"),
};
constexpr Fields phimoe_fields = phimoe_table;

}  // namespace

const Architecture phimoe{
    .name = "phimoe",
    .gguf_name = "phimoe",
    .hf_model_type = "phimoe",
    .hf_class = "PhimoeForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &phimoe_fields},
    .names = phimoe_names,
    .hf_defaults = {.eps = 1e-5f, .rope_base = 1e6f},
    .gguf_needs_head = true,
};

}  // namespace gremium::archs
