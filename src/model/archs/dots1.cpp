// dots.llm1: Huo et al., "dots.llm1 Technical Report" (2025). DeepSeek-V3's router without groups, ungated shared
// experts, leading dense layers, per-head q/k norm.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Field dots1_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    expected("attention_bias", "false"),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
};
constexpr Fields dots1_fields = dots1_table;
// llama.cpp's converter asks for this score.
constexpr Field dots1_last_table[] = {written("scoring_func", "\"noaux_tc\""), written("sliding_window", "null")};
constexpr Fields dots1_last_fields = dots1_last_table;

}  // namespace

const Architecture dots1{
    .name = "dots1",
    .gguf_name = "dots1",
    .hf_model_type = "dots1",
    .hf_class = "Dots1ForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &dots1_fields, &deepseek_mixture_fields, &dots1_last_fields},
    .names = {},
    .gguf_needs_head = true,
    .gguf_needs_own_keys = true,
};

}  // namespace gremium::archs
