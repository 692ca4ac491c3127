// Step-3.5-Flash: StepFun, "Step 3.5 Flash" (2026). Gates of whole heads behind attention; layers that see all rotate
// half of each head, with divided frequencies, windowed ones all of it; limits on what experts' gates and inputs are, a
// layer each; DeepSeek-V3's mixture with a shared expert.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Windows step_windows{.period = 0};

// GGUF's number of rotated dimensions is that of windowed layers.
void read_step_windows(const Input& in, Outline& o) {
    read_windows(in, o, step_windows);
    o.attention.rope.dims /= 2;
}

void write_step_windows(const Outline& o, Output& out) {
    write_windows(o, out, step_windows);
    out.say("rope.dimension_count", "", 2 * o.attention.rope.dims);
}

void read_limits(const Input& in, Outline& o) {
    if (!in.gguf) return;
    const auto layers = static_cast<size_t>(o.layers);
    const auto limits = [&](const char* name) {
        return in.gguf->find_per_layer<float>(key(*in.gguf, name), layers).value_or(std::vector<float>(layers));
    };
    o.limit_L = limits("swiglu_clamp_exp");
    o.shared_limit_L = limits("swiglu_clamp_shexp");
}

void write_limits(const Outline& o, Output& out) {
    if (!out.gguf || o.limit_L.empty()) return;
    out.gguf->set(key(*out.gguf, "swiglu_clamp_exp"), MetaArray(o.limit_L));
    out.gguf->set(key(*out.gguf, "swiglu_clamp_shexp"), MetaArray(o.shared_limit_L));
}

void expect_all_mixtures(const Input& in, Outline&) {
    if (const int step = in.number("moe_every_n_layers", "", 1); step > 1)
        fail("{}: every {}th layer is a mixture, which is not supported here (1 is)", in.source(), step);
}

constexpr Field step_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    always(FIELD_AT(attention.gate.kind), GateKind::sigmoid),
    always(FIELD_AT(attention.gate.per_head), true),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
};
constexpr Fields step_fields = step_table;
constexpr Field step_last_table[] = {
    special([](const Input& in, Outline& o) { read_shared_width(in, o, 1); }, write_shared_width),
    special(expect_all_mixtures),
    special(read_limits, write_limits),
    special(read_step_windows, write_step_windows),
};
constexpr Fields step_last_fields = step_last_table;

}  // namespace

const Architecture step35{
    .name = "step35",
    .gguf_name = "step35",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &step_fields, &deepseek_mixture_fields, &step_last_fields},
    .names = {},
    .gguf_divisors_of_whole = true,
};

}  // namespace gremium::archs
