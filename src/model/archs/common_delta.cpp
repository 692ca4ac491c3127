// What Qwen3-Next and Qwen3.5 share: gated DeltaNets, attention whose results are gated, and which layers have it.
#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

namespace {

// Which layers have attention: a period, or a list of those that have none.
void read_delta_layers(const Input& in, Outline& o) {
    o.delta_net.tiled = in.gguf && architecture_of(o.model).gguf_tiled_heads;
    o.attention_layers.period = in.number("full_attention_interval", "full_attention_interval", 4);
    if (o.attention_layers.period < 1) fail("{}: full_attention_interval must be at least 1", in.source());
    o.attention_layers.offset = o.attention_layers.period - 1;
    const auto recurrent = in.gguf ? in.gguf->find_per_layer<bool>(key(*in.gguf, "attention.recurrent_layers"),
                                                                   static_cast<size_t>(o.layers))
                                   : std::nullopt;
    const bool words = in.hf && in.hf->contains("layer_types");
    if (recurrent || words) o.attention_layers = {};
    for (int l = 0; recurrent && l < o.layers; ++l)
        if ((*recurrent)[static_cast<size_t>(l)]) o.attention_layers.except.push_back(l);
    if (words) read_mixer_words(in, o, "layer_types", "full_attention", "linear_attention");
}

void write_delta_layers(const Outline& o, Output& out) {
    write_mixer_words(o, out, "layer_types", "full_attention", "linear_attention");
    if (out.hf) (*out.hf)["partial_rotary_factor"] = static_cast<double>(o.attention.rope.dims) / o.attention.head_dim;
    const std::vector<int32_t> found = o.attention_layers.among(o.layers);
    const int period = found.empty() ? o.layers + 1 : found.front() + 1;
    if (!out.gguf) return;
    if (found == LayerPattern{.period = period, .offset = period - 1}.among(o.layers))
        return out.say("full_attention_interval", "", period);
    std::vector<bool> recurrent;
    for (int l = 0; l < o.layers; ++l) recurrent.push_back(!o.attention_layers.holds(l));
    out.gguf->set(key(*out.gguf, "attention.recurrent_layers"), MetaArray(recurrent));
}

void read_value_width(const Input& in, Outline& o) {
    const int inner = in.number("ssm.inner_size", "", 0);
    if (in.gguf && (o.delta_net.heads < 1 || inner % o.delta_net.heads != 0))
        fail("{}: {} is {}, expected a multiple of ssm.time_step_rank = {}", in.source(),
             key(*in.gguf, "ssm.inner_size"), inner, o.delta_net.heads);
    if (in.gguf) o.delta_net.value_dim = inner / o.delta_net.heads;
}

constexpr Field delta_table[] = {
    always(FIELD_AT(attention.qk_norm), QkNorm::per_head),
    always(FIELD_AT(attention.gate.kind), GateKind::sigmoid),
    always(FIELD_AT(attention.gate.beside_queries), true),
    expected("attention_bias", "false"),
    always(FIELD_AT(other), OtherMixer::delta_net),
    field(FIELD_AT(delta_net.conv), {.gguf = "ssm.conv_kernel", .hf = {"linear_conv_kernel_dim"}, .hf_otherwise = 4}),
    field(FIELD_AT(delta_net.key_dim), {.gguf = "ssm.state_size", .hf = {"linear_key_head_dim"}, .hf_otherwise = 128}),
    field(FIELD_AT(delta_net.key_heads),
          {.gguf = "ssm.group_count", .hf = {"linear_num_key_heads"}, .hf_otherwise = 16}),
    field(FIELD_AT(delta_net.heads),
          {.gguf = "ssm.time_step_rank", .hf = {"linear_num_value_heads"}, .hf_otherwise = 32}),
    field(FIELD_AT(delta_net.value_dim), {.hf = {"linear_value_head_dim"}, .hf_otherwise = 128}),
    special(
        read_value_width,
        [](const Outline& o, Output& out) { out.say("ssm.inner_size", "", static_cast<int>(o.delta_net.values())); }),
    rates_as_logarithms,
    special(read_delta_layers, write_delta_layers),
};
constexpr Field delta_mixture_table[] = {
    always(FIELD_AT(moe.router.normalise), true),
    field(
        FIELD_AT(moe.shared_hidden),
        {.gguf = "expert_shared_feed_forward_length", .hf = {"shared_expert_intermediate_size"}, .hf_otherwise = 512}),
    field(FIELD_AT(moe.router.scale), {.gguf = "expert_weights_scale", .otherwise = 1, .unsaid_in_gguf = true}),
    always(FIELD_AT(moe.shared_gate), true),
};

}  // namespace

constinit const Fields qwen_delta_fields = delta_table, qwen_delta_mixture_fields = delta_mixture_table;

}  // namespace gremium::archs
