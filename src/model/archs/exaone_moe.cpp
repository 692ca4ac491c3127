// K-EXAONE: LG AI Research (2026). Windows in three layers of four, the fourth sees all and is not rotated; norms of
// each head; DeepSeek-V3's mixture with shared experts.
#include <tuple>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Windows exaone_windows{.whole_rotated = false, .own_rotation = false};

void exaone_require_score(const Input& in, Outline&) {
    if (in.gguf) std::ignore = in.gguf->require<int32_t>(key(*in.gguf, "expert_gating_func"));
}

constexpr Field exaone_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    special(exaone_require_score),
};
constexpr Fields exaone_fields = exaone_table;
constexpr Field exaone_last_table[] = {
    special([](const Input& in, Outline& o) { read_shared_width(in, o, 0); }, write_shared_width),
    special([](const Input& in, Outline& o) { read_windows(in, o, exaone_windows); },
            [](const Outline& o, Output& out) { write_windows(o, out, exaone_windows); }),
};
constexpr Fields exaone_last_fields = exaone_last_table;

}  // namespace

const Architecture exaone_moe{
    .name = "exaone-moe",
    .gguf_name = "exaone-moe",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &exaone_fields, &deepseek_mixture_fields, &exaone_last_fields},
    .names = {},
};

}  // namespace gremium::archs
