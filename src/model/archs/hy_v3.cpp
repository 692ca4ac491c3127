// Hy3: Tencent (2026). Qwen3-MoE's attention, DeepSeek-V3's mixture with one shared expert.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

// llama.cpp knows the correction by this name alone.
constexpr NameRule hy_v3_gguf_names[] = {{"blk.{l}.exp_probs_b.bias", "blk.{l}.exp_probs_b"}};

constexpr Field hy_v3_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
};
constexpr Fields hy_v3_fields = hy_v3_table;
constexpr Field hy_v3_last_table[] = {
    special([](const Input& in, Outline& o) { read_shared_width(in, o, 1); }, write_shared_width)};
constexpr Fields hy_v3_last_fields = hy_v3_last_table;

}  // namespace

const Architecture hy_v3{
    .name = "hy_v3",
    .gguf_name = "hy_v3",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &hy_v3_fields, &deepseek_mixture_fields, &hy_v3_last_fields},
    .names = {},
    .gguf_names = hy_v3_gguf_names,
};

}  // namespace gremium::archs
