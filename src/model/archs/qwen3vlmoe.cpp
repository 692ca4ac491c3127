// The text model of Qwen3-VL-MoE and Qwen3-Omni: Qwen3-MoE. Its positions have three axes, which are equal in text.
#include <tuple>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

void pass_over_images(const Input& in, Outline&) {
    if (in.gguf) std::ignore = in.gguf->contains(key(*in.gguf, "n_deepstack_layers"));
}

constexpr Field qwen3vlmoe_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    num_experts("num_experts"),
    experts_per_token,
    own_width_of_experts,
    always(FIELD_AT(moe.router.normalise), true),
    special(pass_over_images),
    axes_of_images,
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
