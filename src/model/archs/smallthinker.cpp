// SmallThinker: Song et al., "SmallThinker" (2025). The router sees the block's input before attention, experts have
// ReLU gates, every fourth layer from the first on sees all and is not rotated. llama.cpp's windows are 4096 whatever
// files say, which all say 4096, and models of four layers are rotated throughout; so it is here.
#include <tuple>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Windows thinker_windows{.whole_first = true, .whole_rotated = false, .own_rotation = false};

void read_thinker_windows(const Input& in, Outline& o) {
    read_windows(in, o, thinker_windows);
    if (!o.windowed) return;
    o.windowed->window = 4096;
    if (o.layers == thinker_windows.period) o.rotated_L.assign(static_cast<size_t>(o.layers), 1);
}

constexpr Field thinker_table[] = {
    field(FIELD_AT(moe.router.experts), {.gguf = "expert_count"}),
    experts_per_token,
    own_width_of_experts,
    always(FIELD_AT(moe.activation.kind), kernels::Activation::relu),
    always(FIELD_AT(moe.routes_block_input), true),
    special([](const Input& in, Outline&) {
        if (in.gguf) std::ignore = in.gguf->require<int32_t>(key(*in.gguf, "expert_gating_func"));
    }),
    gating,
    always(FIELD_AT(moe.router.normalise), true),
    special(read_thinker_windows, [](const Outline& o, Output& out) { write_windows(o, out, thinker_windows); }),
};
constexpr Fields thinker_fields = thinker_table;

}  // namespace

const Architecture smallthinker{
    .name = "smallthinker",
    .gguf_name = "smallthinker",
    .hf_model_type = "",
    .hf_class = "",
    .experts = true,
    .fields = {&decoder_fields, &thinker_fields},
    .names = {},
};

}  // namespace gremium::archs
