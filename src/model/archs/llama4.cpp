// Llama 4 (Scout, Maverick), its text model: Meta, "The Llama 4 herd" (2025). Router weights on the experts' input, a
// shared expert, mixtures in every or every other layer; three layers see chunks, every fourth sees all, without
// positions and with a temperature. llama.cpp knows chunk, temperature and this pattern by heart; so do we for GGUF.
#include <fmt/ranges.h>

#include "base/error.h"
#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr Layout llama4_gate{.part = Layout::Part::first, .columns = true, .transposed = true};
constexpr Layout llama4_up{.part = Layout::Part::last, .columns = true, .transposed = true};
constexpr NameRule llama4_names[] = {
    {"blk.{l}.ffn_gate", "model.layers.{l}.feed_forward.gate_proj"},
    {"blk.{l}.ffn_up", "model.layers.{l}.feed_forward.up_proj"},
    {"blk.{l}.ffn_down", "model.layers.{l}.feed_forward.down_proj"},
    {"blk.{l}.ffn_gate_inp", "model.layers.{l}.feed_forward.router"},
    {"blk.{l}.ffn_gate_exps.weight", "model.layers.{l}.feed_forward.experts.gate_up_proj", llama4_gate},
    {"blk.{l}.ffn_up_exps.weight", "model.layers.{l}.feed_forward.experts.gate_up_proj", llama4_up},
    {"blk.{l}.ffn_down_exps.weight", "model.layers.{l}.feed_forward.experts.down_proj", {.transposed = true}},
    {"blk.{l}.ffn_gate_shexp", "model.layers.{l}.feed_forward.shared_expert.gate_proj"},
    {"blk.{l}.ffn_up_shexp", "model.layers.{l}.feed_forward.shared_expert.up_proj"},
    {"blk.{l}.ffn_down_shexp", "model.layers.{l}.feed_forward.shared_expert.down_proj"},
};
constexpr std::string_view llama4_ignored[] = {"vision_model.", "multi_modal_projector.", "model.vision_model.",
                                               "model.multi_modal_projector."};

constexpr int maverick_experts = 128;

// What llama.cpp knows by heart.
void expect_positions(const Input& in, Outline& o) {
    AttentionSpec& a = o.attention;
    a.chunk = a.temperature_stretch = 8192;
    a.temperature = 0.1f;
    a.qk_norm = in.gguf && o.moe.router.experts == maverick_experts ? QkNorm::none : QkNorm::rotated;
}

void read_temperature(const Input& in, Outline& o) {
    AttentionSpec& a = o.attention;
    if (in.hf) {
        a.temperature = in.hf->get<float>("attn_scale", a.temperature);
        a.temperature_stretch = static_cast<int>(in.hf->get<float>("floor_scale", 8192.0f));
        // True, or a number in early files.
        const nlohmann::json* tuning = in.hf->value("attn_temperature_tuning");
        if (tuning && (*tuning == false || *tuning == 0)) a.temperature = 0;
    }
    if (!(a.temperature > 0)) a.temperature_stretch = 0;
}

void write_temperature(const Outline& o, Output& out) {
    if (!out.hf) return;
    (*out.hf)["attn_temperature_tuning"] = o.attention.temperature > 0;
    if (!(o.attention.temperature > 0)) return;
    (*out.hf)["attn_scale"] = decimal(o.attention.temperature);
    (*out.hf)["floor_scale"] = o.attention.temperature_stretch;
}

void read_step(const Input& in, Outline& o) {
    o.mixture_layers = every(in.number("interleave_moe_layer_step", "interleave_moe_layer_step", 1));
    o.moe.shared_hidden = o.moe.hidden;
    const auto said = in.hf ? in.hf->find<std::vector<int32_t>>("moe_layers") : std::nullopt;
    if (said && !said->empty() && *said != o.mixture_layers.among(o.layers))
        fail("{}: moe_layers [{}] are not every {}th layer, as interleave_moe_layer_step says", in.source(),
             fmt::join(*said, ", "), o.mixture_layers.period);
}

void llama4_write_step(const Outline& o, Output& out) {
    out.say("interleave_moe_layer_step", "interleave_moe_layer_step", step_of(o));
}

constexpr Field llama4_table[] = {
    expected("attention_bias", "false"),
    always(FIELD_AT(moe.router.score), moe::RouterPolicy::Score::sigmoid),
    always(FIELD_AT(moe.router.weight_on_input), true),
    always(FIELD_AT(whole_period), 4),
    always(FIELD_AT(whole_rotated), false),
    num_experts("num_local_experts"),
    experts_per_token,
    special(expect_positions),
    field(FIELD_AT(moe.hidden), {.gguf = "expert_feed_forward_length", .hf = {"intermediate_size"}}),
    field(FIELD_AT(dense.hidden), {.hf = {"intermediate_size_mlp"}}),
    special(read_step, llama4_write_step),
    field(FIELD_AT(attention.chunk), {.hf = {"attention_chunk_size"}, .otherwise = kept}),
    field(FIELD_AT(attention.qk_norm), {.hf = {"use_qk_norm"}, .otherwise = QkNorm::rotated, .yes = QkNorm::rotated}),
    special(read_temperature, write_temperature),
    kinds_of_layers("no_rope_layers", "0", "1"),
    kinds_of_layers("layer_types", "\"full_attention\"", "\"chunked_attention\"", false),
};
constexpr Fields llama4_fields = llama4_table;

}  // namespace

const Architecture llama4{
    .name = "llama4",
    .gguf_name = "llama4",
    .hf_model_type = "llama4_text",
    .hf_class = "Llama4ForCausalLM",
    .experts = true,
    .fields = {&decoder_fields, &llama4_fields},
    .names = llama4_names,
    .hf_defaults = {.eps = 1e-5f, .rope_base = 500000},
    .gguf_pairing = kernels::RopePairing::interleaved,
    .hf_pairing = kernels::RopePairing::interleaved,
    .hf_aliases = {"llama4"},
    .hf_child = "text_config",
    .hf_ignored = llama4_ignored,
};

}  // namespace gremium::archs
