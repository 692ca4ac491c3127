// The fields that architectures share.
#pragma once

#include <functional>

#include "model/archs/architecture.h"

namespace gremium::archs {

// A pre-norm decoder with grouped-query attention, RoPE and a dense feed-forward: what Llama and those after it say of
// it.
extern const Fields decoder_fields;

// Parts of it, for those that have another trunk: general.name and _name_or_path; sizes that all layers share.
void read_name(const Input& in, Outline& outline);
void write_name(const Outline& outline, Output& out);
void read_vocabulary_size(const Input& in, Outline& outline);
void write_vocabulary_size(const Outline& outline, Output& out);
inline constexpr Field model_name = special(read_name, write_name);
inline constexpr Field vocabulary_size = special(read_vocabulary_size, write_vocabulary_size);
int layer_count(const HfConfig& config, const std::string& name);
void read_layer_count(const Input& in, Outline& outline);
inline constexpr Field read_layers = special(read_layer_count);

// A mixture in every layer.
constexpr Field num_experts(std::string_view name) {
    constexpr std::array<std::string_view, 3> names{"num_local_experts", "num_experts", "n_routed_experts"};
    std::array<std::string_view, 3> hf{name};
    for (size_t i = 0, next = 1; i < names.size(); ++i)
        if (names[i] != name) hf[next++] = names[i];
    return field(FIELD_AT(moe.router.experts), {.gguf = "expert_count", .hf = hf});
}
inline constexpr Field experts_per_token = field(
    FIELD_AT(moe.router.top_k), {.gguf = "expert_used_count", .hf = {"num_experts_per_tok", "experts_per_token"}});
inline constexpr Field norm_topk_prob =
    field(FIELD_AT(moe.router.normalise), {.hf = {"norm_topk_prob"}, .otherwise = false});
// Its key is the dense feed-forward's, or another one.
inline constexpr Field width_of_experts =
    field(FIELD_AT(moe.hidden), {.gguf = "feed_forward_length", .hf = {"intermediate_size"}});
inline constexpr Field own_width_of_experts =
    field(FIELD_AT(moe.hidden), {.gguf = "expert_feed_forward_length", .hf = {"moe_intermediate_size"}});

// As Qwen says which layers are mixtures: every decoder_sparse_step-th layer is one unless listed in mlp_only_layers.
extern const Fields qwen_mixture_fields;
// DeepSeek's mixture and those after it: leading dense layers, ungated shared experts as wide as routed ones, scores by
// softmax or sigmoid (what the outline has, where files do not say it), correction bias, groups, normalisation, scale.
extern const Fields deepseek_mixture_fields;

// What turns logits into scores: expert_gating_func, scoring_func; the outline's own where files do not say it.
void read_gating(const Input& in, Outline& outline);
void write_gating(const Outline& outline, Output& out);
inline constexpr Field gating = special(read_gating, write_gating);
// Positions have three axes, which are equal in text; llama.cpp wants to be told how many pairs turn with each.
void write_sections(const Outline& outline, Output& out);
inline constexpr Field axes_of_images = special(nullptr, write_sections);
// Ungated shared experts, whose width together GGUF says as expert_shared_feed_forward_length; otherwise it is that of
// as many experts as expert_shared_count says, or of `least`.
void read_shared_width(const Input& in, Outline& outline, int least);
void write_shared_width(const Outline& outline, Output& out);
// Files multiply logits by logit_scale, we divide them.
void read_logit_scale(const Input& in, Outline& outline, float otherwise);
void write_logit_scale(const Outline& outline, Output& out);
inline constexpr Field logits_times =
    special([](const Input& in, Outline& o) { read_logit_scale(in, o, 1); }, write_logit_scale);
// attention.temperature_scale and _length of GGUF: how queries grow with the position (Mistral Large 3).
void read_query_temperature(const Input& in, Outline& outline);
void write_query_temperature(const Outline& outline, Output& out);
inline constexpr Field query_temperature = special(read_query_temperature, write_query_temperature);
// Which share of each head is rotated, in config.json.
void write_rotated_share(const Outline& outline, Output& out);
inline constexpr Field rotated_share = special(nullptr, write_rotated_share);
// A number that config.json says for all layers or, the same, for each.
int same_of_all(const HfConfig& config, const Keys& keys, int otherwise);

// Layers with a window between layers that see the whole context, and what files say of each kind.
struct Windows {
    int period = 4;            // where files say no pattern; 0: that is an error
    bool whole_first = false;  // the first layer of a period sees the whole context instead of the last
    bool whole_rotated = true;
    bool own_rotation = true;  // GGUF's keys of the windowed layers' rotation count
};
void read_windows(const Input& in, Outline& outline, const Windows& usual);
void write_windows(const Outline& outline, Output& out, const Windows& usual);

// Mixtures in every step-th layer; 0: in none.
LayerPattern every(int step);
int step_of(const Outline& outline);  // 0: there is none

// Models whose layers have attention or another mixer: in GGUF those without key/value heads have the other one; in
// config.json a list says a word for each layer.
void read_layers_without_keys(const Input& in, Outline& outline);
void write_layers_without_keys(const Outline& outline, Output& out);
inline constexpr Field layers_without_keys = special(read_layers_without_keys, write_layers_without_keys);
// Granite's scales of embeddings, residuals, scores and logits.
extern const Fields granite_scale_fields;
// Mamba-2 in the layers without attention.
extern const Fields mamba2_fields;
// Of norms that config.json's models hold without the 1.
inline constexpr Layout norm_less_one{.less_one = true};
// What Qwen3-Next and Qwen3.5 say of their delta nets, gated attention and the layers of each.
extern const Fields qwen_delta_fields, qwen_delta_mixture_fields;
void read_mixer_words(const Input& in, Outline& outline, const char* name, std::string_view attention,
                      std::string_view other);
void write_mixer_words(const Outline& outline, Output& out, const char* name, std::string_view attention,
                       std::string_view other);

// A state space mixer: the tensor of its rates holds their logarithms in Hugging Face layout.
int sixteenth_of_width(const Outline& outline);  // rounded up
constexpr Field rank_of_steps(std::string_view name) {
    return field(FIELD_AT(ssm.dt_rank), {.gguf = "ssm.time_step_rank", .hf = {name}, .automatic = sixteenth_of_width});
}
inline constexpr Field rates_as_logarithms = special([](const Input& in, Outline& o) {
    o.ssm.log_rates = o.delta_net.log_rates = o.mamba2.log_rates = in.hf != nullptr;
});

inline constexpr Field second_expert = field(
    FIELD_AT(moe.router.second),
    {.gguf = "expert_second_policy", .hf = {"second_expert_policy"}, .otherwise = moe::RouterPolicy::Second::best});

// Encoder–decoder models as they have been so far: attention without rotation, feed-forwards and experts of one width
// with ReLU and no gate; an encoder like the decoder but for what its fields said already (layers, heads, width,
// mixtures), with no head and seeing both ways.
void complete_stacks(Outline& outline);

// What config.json says of rotation under the first of these keys that is there, or what its class means when it says
// nothing.
std::optional<HfConfig> rotation_said(const Input& in, const Keys& keys);
// Scaling of rotary frequencies, as each format says it.
void read_rope_scaling(const Input& in, Outline& outline);
void write_rope_scaling(const Outline& outline, Output& out);
float yarn_magnitude(float factor);  // 1 + ln(factor) / 10, of cosines and sines (Peng et al. 2023, eq. 22)

// What GGUF says by the presence of a tensor (asked for by its canonical name and layer): whether the head is tied,
// attention has biases, and of what an architecture may have, whether it has it: a bias of the head, q/k norms, a
// corrected selection, a mixture (a layer without a router is dense, with the width of one expert).
// Its shape tells how wide a dense layer is, and whether a gate behind attention is one number a head.
using FindShape = std::function<std::optional<Shape>(const TensorSlot&)>;
void read_presence(ModelSpec& spec, const FindShape& find);

// The divisors of rotary frequencies are tensors in GGUF.
struct RotaryTensor {
    const char* name;
    std::vector<float> RopeSpec::*divisors;
};
inline constexpr RotaryTensor rotary_tensors[] = {{"rope_freqs.weight", &RopeSpec::divisors},
                                                  {"rope_factors_short.weight", &RopeSpec::divisors},
                                                  {"rope_factors_long.weight", &RopeSpec::long_divisors}};
std::vector<RotaryTensor> rotary_tensors_of(const RopeSpec& rope);
// Gives a file's divisors to the layers that they are for. There may be more than a layer rotates: it has the first.
void set_divisors(ModelSpec& spec, std::vector<float> RopeSpec::*member, const std::vector<float>& divisors);

}  // namespace gremium::archs
