// Laguna: Poolside (2026). Softplus gates behind attention, more query heads in windowed layers, which have a
// rotation of their own; DeepSeek-V3's mixture with a shared expert.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Windows laguna_windows{.whole_first = true};

constexpr Field laguna_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    // One number a head where the gate's tensor has as many rows.
    always(FIELD_AT(attention.gate.kind), GateKind::softplus),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
};
constexpr Fields laguna_fields = laguna_table;
constexpr Field laguna_last_table[] = {
    special([](const Input& in, Outline& o) { read_shared_width(in, o, 1); }, write_shared_width),
    special([](const Input& in, Outline& o) { read_windows(in, o, laguna_windows); },
            [](const Outline& o, Output& out) { write_windows(o, out, laguna_windows); }),
};
constexpr Fields laguna_last_fields = laguna_last_table;

}  // namespace

const Architecture laguna{
    .name = "laguna",
    .gguf_name = "laguna",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &laguna_fields, &deepseek_mixture_fields, &laguna_last_fields},
    .names = {},
};

}  // namespace gremium::archs
