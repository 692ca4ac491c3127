// Arctic: Snowflake, "Snowflake Arctic" (2024). A dense feed-forward as wide as the model in each block, and beside
// it a mixture of many small experts that reads the block's input.
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Field arctic_table[] = {
    num_experts("num_local_experts"),
    experts_per_token,
    width_of_experts,
    always(FIELD_AT(moe.router.normalise), true),
    special([](const Input&, Outline& o) { o.branch = DenseSpec{.hidden = o.model.dim}; }),
};
constexpr Fields arctic_fields = arctic_table;

}  // namespace

const Architecture arctic{
    .name = "arctic",
    .gguf_name = "arctic",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &arctic_fields},
    .names = {},
    .gguf_pairing = kernels::RopePairing::interleaved,
};

}  // namespace gremium::archs
