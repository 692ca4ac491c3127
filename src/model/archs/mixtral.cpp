// Mixtral: Jiang et al., "Mixtral of Experts" (2024). GGUF calls it llama with experts.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule mixtral_names[] = {
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.block_sparse_moe.gate"},
    {"blk.{l}.ffn_gate_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w1"},
    {"blk.{l}.ffn_up_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w3"},
    {"blk.{l}.ffn_down_exps", "model.layers.{l}.block_sparse_moe.experts.{e}.w2"},
};

void write_window(const Outline& o, Output& out) {
    if (out.hf)
        (*out.hf)["sliding_window"] = o.attention.window > 0 ? nlohmann::ordered_json(o.attention.window) : nullptr;
}

constexpr Field mixtral_table[] = {
    num_experts("num_local_experts"), experts_per_token, width_of_experts, always(FIELD_AT(moe.router.normalise), true),
    special(nullptr, write_window),
};
constexpr Fields mixtral_fields = mixtral_table;

}  // namespace

const Architecture mixtral{
    .name = "mixtral",
    .gguf_name = "llama",
    .hf_model_type = "mixtral",
    .hf_class = "MixtralForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &mixtral_fields},
    .names = mixtral_names,
    .hf_defaults = {.eps = 1e-5f, .rope_base = 1e6f, .use_sliding_window = true, .reads_windows = true},
    .gguf_pairing = kernels::RopePairing::interleaved,
};

}  // namespace gremium::archs
