// The text model of Qwen3-VL-MoE and Qwen3-Omni: Qwen3-MoE. Its positions have three axes, which are equal in text.
#include <tuple>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

void pass_over_images(const Input& in, Outline&) {
    if (!in.gguf) return;
    std::ignore = in.gguf->contains(key(*in.gguf, "rope.dimension_sections"));
    std::ignore = in.gguf->contains(key(*in.gguf, "n_deepstack_layers"));
}

// llama.cpp wants to be told how many pairs turn with each axis.
void write_sections(const Outline& o, Output& out) {
    if (!out.gguf) return;
    const int pairs = o.attention.rope.dims / 2, other = pairs * 5 / 16;
    out.gguf->set(key(*out.gguf, "rope.dimension_sections"),
                  MetaArray(std::vector<int32_t>{pairs - 2 * other, other, other, 0}));
}

constexpr Field qwen3vlmoe_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    num_experts("num_experts"),
    experts_per_token,
    own_width_of_experts,
    always(FIELD_AT(moe.router.normalise), true),
    special(pass_over_images, write_sections),
};
constexpr Fields qwen3vlmoe_fields = qwen3vlmoe_table;

}  // namespace

const Architecture qwen3vlmoe{
    .name = "qwen3vlmoe",
    .gguf_name = "qwen3vlmoe",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &qwen3vlmoe_fields},
    .names = {},
};

}  // namespace gremium::archs
