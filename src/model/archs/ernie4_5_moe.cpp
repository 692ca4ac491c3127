// ERNIE 4.5: Baidu, "ERNIE 4.5 Technical Report" (2025). Experts are chosen by corrected softmax scores and weighed by
// the softmax alone; dense layers come first, shared experts have no gate.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

// One row.
constexpr NameRule ernie_names[] = {
    {"blk.{l}.exp_probs_b.bias", "model.layers.{l}.mlp.moe_statics.e_score_correction_bias", {.transposed = true}}};

// Of the layers from the first on every step-th: those whose number from 1 on the step divides.
void read_ernie_layers(const Input& in, Outline& o) {
    const int step = in.number("interleave_moe_layer_step", "moe_layer_interval", 1);
    if (step < 1) fail("{}: every {}th layer is a mixture, expected at least 1", in.source(), step);
    const int first = in.number("leading_dense_block_count", "moe_layer_start_index", in.gguf ? 0 : 1);
    o.mixture_layers = {.period = step, .offset = step - 1, .first = first};
    const int last = in.hf ? in.hf->get<int32_t>("moe_layer_end_index", -1) : -1;
    if (last >= 0 && last < o.layers - 1)
        fail("{}: moe_layer_end_index is {}: dense layers behind mixtures are not supported here", in.source(), last);
}

void write_ernie_layers(const Outline& o, Output& out) {
    int step = 1;
    if (!o.mixture_layers.except.empty()) step = o.mixture_layers.first + 1;
    const int first = step > 1 ? 0 : o.mixture_layers.first;
    out.say("interleave_moe_layer_step", "moe_layer_interval", step);
    out.say("leading_dense_block_count", "moe_layer_start_index", first);
}

void read_ernie_shared(const Input& in, Outline& o) {
    read_shared_width(in, o, 0);
    if (in.hf) o.moe.shared_hidden = o.moe.hidden * in.hf->get<int32_t>("moe_num_shared_experts", 0);
}

void write_ernie_shared(const Outline& o, Output& out) {
    if (out.hf) (*out.hf)["moe_num_shared_experts"] = o.moe.shared_hidden / std::max(1, o.moe.hidden);
    if (out.gguf && o.moe.shared_hidden > 0) write_shared_width(o, out);
}

constexpr Field ernie_table[] = {
    field(FIELD_AT(moe.router.experts), {.gguf = "expert_count", .hf = {"moe_num_experts"}}),
    field(FIELD_AT(moe.router.top_k), {.gguf = "expert_used_count", .hf = {"moe_k"}}),
    own_width_of_experts,
    always(FIELD_AT(moe.router.normalise), true),
    always(FIELD_AT(moe.router.correction_bias), true),
    special(read_ernie_layers, write_ernie_layers),
    special(read_ernie_shared, write_ernie_shared),
    written_and_expected("use_bias", "false"),
};
constexpr Fields ernie_fields = ernie_table;

}  // namespace

const Architecture ernie4_5_moe{
    .name = "ernie4_5-moe",
    .gguf_name = "ernie4_5-moe",
    .hf_model_type = "ernie4_5_moe",
    .hf_class = "Ernie4_5_MoeForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &ernie_fields},
    .names = ernie_names,
    .hf_defaults = {.eps = 1e-5f, .rope_base = 500000},
    .gguf_pairing = kernels::RopePairing::interleaved,
    .hf_pairing = kernels::RopePairing::interleaved,
};

}  // namespace gremium::archs
