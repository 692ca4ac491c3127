// Trinity: Arcee AI, "Arcee Trinity" (2026). Gates behind attention, norms behind attention and feed-forward, windows
// in three layers of four; DeepSeek-V3's mixture with a shared expert. llama.cpp does not rotate every fourth layer,
// whatever the pattern of windows.
#include <cmath>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Windows afmoe_windows{.whole_rotated = false, .own_rotation = false};

void read_afmoe(const Input& in, Outline& o) {
    o.model.embedding_scale = std::sqrt(static_cast<float>(o.model.dim));
    read_windows(in, o, afmoe_windows);
    for (size_t l = 0; l < o.rotated_L.size(); ++l) o.rotated_L[l] = l % 4 != 3;
}

constexpr Field afmoe_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    always(FIELD_AT(attention.gate.kind), GateKind::sigmoid),
    always(FIELD_AT(post_norms), true),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
};
constexpr Fields afmoe_fields = afmoe_table;
constexpr Field afmoe_last_table[] = {
    special(read_afmoe, [](const Outline& o, Output& out) { write_windows(o, out, afmoe_windows); })};
constexpr Fields afmoe_last_fields = afmoe_last_table;

}  // namespace

const Architecture afmoe{
    .name = "afmoe",
    .gguf_name = "afmoe",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &afmoe_fields, &deepseek_mixture_fields, &afmoe_last_fields},
    .names = {},
};

}  // namespace gremium::archs
