// Granite 4.0 H: IBM (2025). Mamba-2 with a few layers of attention among them, Granite's scales, its mixture with a
// shared branch, or that alone.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule granitehybrid_names[] = {
    {"blk.{l}.ssm_in", "model.layers.{l}.mamba.in_proj"},
    {"blk.{l}.ssm_conv1d", "model.layers.{l}.mamba.conv1d"},
    {"blk.{l}.ssm_dt.bias", "model.layers.{l}.mamba.dt_bias"},
    {"blk.{l}.ssm_a", "model.layers.{l}.mamba.A_log"},
    {"blk.{l}.ssm_d", "model.layers.{l}.mamba.D"},
    {"blk.{l}.ssm_norm", "model.layers.{l}.mamba.norm"},
    {"blk.{l}.ssm_out", "model.layers.{l}.mamba.out_proj"},
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.block_sparse_moe.router.layer"},
    {"blk.{l}.ffn_gate_exps", "model.layers.{l}.block_sparse_moe.input_linear", {.part = Layout::Part::first}},
    {"blk.{l}.ffn_up_exps", "model.layers.{l}.block_sparse_moe.input_linear", {.part = Layout::Part::last}},
    {"blk.{l}.ffn_down_exps", "model.layers.{l}.block_sparse_moe.output_linear"},
    {"blk.{l}.ffn_gate_shexp", "model.layers.{l}.shared_mlp.input_linear", {.part = Layout::Part::first}},
    {"blk.{l}.ffn_up_shexp", "model.layers.{l}.shared_mlp.input_linear", {.part = Layout::Part::last}},
    {"blk.{l}.ffn_down_shexp", "model.layers.{l}.shared_mlp.output_linear"},
    {"blk.{l}.ffn_gate", "model.layers.{l}.shared_mlp.input_linear", {.part = Layout::Part::first}},
    {"blk.{l}.ffn_up", "model.layers.{l}.shared_mlp.input_linear", {.part = Layout::Part::last}},
    {"blk.{l}.ffn_down", "model.layers.{l}.shared_mlp.output_linear"},
};

// Models that turn nothing say so, by "rope.scaling.finetuned" in GGUF. Without experts the shared branch is a dense
// feed-forward.
void read_granite_hybrid(const Input& in, Outline& o) {
    if (in.hf) read_mixer_words(in, o, "layer_types", "attention", "mamba");
    const bool rotated = in.gguf ? in.gguf->get<bool>(key(*in.gguf, "rope.scaling.finetuned"), true)
                                 : in.hf->get<std::string>("position_embedding_type", "rope") == "rope";
    if (!rotated) o.attention.rope = {.enabled = false, .pairing = o.attention.rope.pairing};
    o.moe.router.experts = in.number("expert_count", "num_local_experts", 0);
    o.moe.router.top_k = in.number("expert_used_count", "num_experts_per_tok", 0);
    o.moe.hidden = o.dense.hidden;
    o.moe.shared_hidden = in.number("expert_shared_feed_forward_length", "shared_intermediate_size", 0);
    if (o.moe.router.experts > 0) return;
    o.mixture_layers.period = 0;
    if (in.hf) o.dense.hidden = o.moe.shared_hidden;
    o.moe = {};
}

void write_granite_hybrid(const Outline& o, Output& out) {
    write_mixer_words(o, out, "layer_types", "attention", "mamba");
    const bool mixture = o.moe.router.experts > 0, rotated = o.attention.rope.enabled;
    out.say("expert_count", "num_local_experts", o.moe.router.experts);
    out.say("expert_used_count", "num_experts_per_tok", o.moe.router.top_k);
    out.say("feed_forward_length", "intermediate_size", mixture ? o.moe.hidden : o.dense.hidden);
    const int shared = mixture ? o.moe.shared_hidden : out.hf ? o.dense.hidden : 0;
    if (shared > 0) out.say("expert_shared_feed_forward_length", "shared_intermediate_size", shared);
    if (out.gguf) out.gguf->set(key(*out.gguf, "rope.scaling.finetuned"), rotated);
    if (out.hf) (*out.hf)["position_embedding_type"] = rotated ? "rope" : "nope";
}

constexpr Field granitehybrid_table[] = {
    expected("attention_bias", "false"),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::softmax_selected),
    layers_without_keys,
    special(read_granite_hybrid, write_granite_hybrid),
};
constexpr Fields granitehybrid_fields = granitehybrid_table;

}  // namespace

const Architecture granitehybrid{
    .name = "granitehybrid",
    .gguf_name = "granitehybrid",
    .hf_model_type = "granitemoehybrid",
    .hf_class = "GraniteMoeHybridForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &granite_scale_fields, &mamba2_fields, &granitehybrid_fields},
    .names = granitehybrid_names,
    .gguf_pairing = kernels::RopePairing::interleaved,
    .without_experts = true,
};

}  // namespace gremium::archs
