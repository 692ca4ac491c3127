// MiMo-V2: Xiaomi, "MiMo-V2-Flash Technical Report" (2026). Windowed layers with sinks, a rotation and key heads of
// their own; values narrower than keys, and scaled; a router with sigmoids and corrections.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Windows mimo_windows{.period = 0};

constexpr Field mimo_table[] = {
    always(FIELD_AT(attention.sinks), true),
    field(FIELD_AT(attention.value_scale), {.gguf = "attention.value_scale", .otherwise = 1}),
    num_experts("n_routed_experts"),
    experts_per_token,
    own_width_of_experts,
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
    gating,
    always(FIELD_AT(moe.router.normalise), true),
    always(FIELD_AT(moe.router.correction_bias), true),
    // Files may leave it away: layers without a router are dense.
    field(FIELD_AT(mixture_layers.first), {.gguf = "leading_dense_block_count", .otherwise = 0}),
    special([](const Input& in, Outline& o) { read_windows(in, o, mimo_windows); },
            [](const Outline& o, Output& out) { write_windows(o, out, mimo_windows); }),
};
constexpr Fields mimo_fields = mimo_table;

}  // namespace

const Architecture mimo2{
    .name = "mimo2",
    .gguf_name = "mimo2",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &mimo_fields},
    .names = {},
    .gguf_optional_sinks = true,
};

}  // namespace gremium::archs
