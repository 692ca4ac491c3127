// North-Mini and Command A+: Cohere (2026). One norm a block, from which attention and feed-forward read and to whose
// stream both are added at once; windows in three layers of four, whole layers are not rotated unless they are leading
// dense ones; half the sum of routed and shared experts; logits are multiplied.
#include <algorithm>
#include <cmath>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Windows cohere_windows{.whole_first = true, .whole_rotated = false, .own_rotation = false};

void read_cohere_windows(const Input& in, Outline& o) {
    read_windows(in, o, cohere_windows);
    for (int l = 0; l < std::min(o.mixture_layers.first, o.layers) && !o.rotated_L.empty(); ++l)
        o.rotated_L[static_cast<size_t>(l)] = 1;
}

constexpr Field cohere_table[] = {
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
};
constexpr Fields cohere_fields = cohere_table;
constexpr Field cohere_last_table[] = {
    special([](const Input& in, Outline& o) { read_shared_width(in, o, 0); }, write_shared_width),
    always(FIELD_AT(moe.output_scale), 0.5f),
    always(FIELD_AT(parallel), true),
    logits_times,
    special(read_cohere_windows, [](const Outline& o, Output& out) { write_windows(o, out, cohere_windows); }),
};
constexpr Fields cohere_last_fields = cohere_last_table;

}  // namespace

const Architecture cohere2moe{
    .name = "cohere2moe",
    .gguf_name = "cohere2moe",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &cohere_fields, &deepseek_mixture_fields, &cohere_last_fields},
    .names = {},
    .hf_defaults = {.layer_norms = true},
    .gguf_pairing = kernels::RopePairing::interleaved,
};

}  // namespace gremium::archs
