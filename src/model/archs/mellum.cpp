// Mellum 2: JetBrains (2026). Qwen3-MoE with windows: three layers of four see the last tokens only and are rotated as
// they are, the fourth sees all under YaRN.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Windows mellum_windows{.own_rotation = false};

constexpr Field mellum_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    num_experts("num_experts"),
    experts_per_token,
    own_width_of_experts,
    always(FIELD_AT(moe.router.normalise), true),
    special([](const Input& in, Outline& o) { read_windows(in, o, mellum_windows); },
            [](const Outline& o, Output& out) { write_windows(o, out, mellum_windows); }),
};
constexpr Fields mellum_fields = mellum_table;

}  // namespace

const Architecture mellum{
    .name = "mellum",
    .gguf_name = "mellum",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &mellum_fields},
    .names = {},
};

}  // namespace gremium::archs
