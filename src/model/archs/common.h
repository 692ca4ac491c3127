// What Llama-like architectures share: the metadata of a pre-norm decoder with grouped-query attention and
// RoPE.
#pragma once

#include <functional>

#include "model/archs/architecture.h"

namespace gremium::archs {

// All layers with attention (no biases, no q/k norm) and a dense feed-forward of the stated width; rotation
// paired as files of the architecture have it.
ModelSpec read_gguf(const Metadata& metadata, std::string_view architecture);
void write_gguf(const ModelSpec& spec, Metadata& metadata);

// The sizes that all layers share: the part of write_gguf that is not about attention and feed-forward.
void write_gguf_trunk(const ModelSpec& spec, Metadata& metadata);
SsmSpec read_gguf_ssm(const Metadata& metadata);
void write_gguf_ssm(const SsmSpec& ssm, Metadata& metadata);

// What GGUF says by the presence of a tensor (asked for by its canonical name and layer): whether the head is tied,
// attention has biases, and of what an architecture may have, whether it has it: a bias of the head, q/k norms, a
// corrected selection, a mixture (a layer without a router is dense, with the width of one expert).
void read_presence(ModelSpec& spec, const std::function<bool(const TensorSlot&)>& contains);

// The divisors of rotary frequencies are tensors in GGUF.
struct RotaryTensor {
    const char* name;
    std::vector<float> RopeSpec::*divisors;
};
inline constexpr RotaryTensor rotary_tensors[] = {{"rope_freqs.weight", &RopeSpec::divisors},
                                                  {"rope_factors_short.weight", &RopeSpec::divisors},
                                                  {"rope_factors_long.weight", &RopeSpec::long_divisors}};
std::vector<RotaryTensor> rotary_tensors_of(const RopeSpec& rope);
float yarn_magnitude(float factor);  // 1 + ln(factor) / 10, of cosines and sines (Peng et al. 2023, eq. 22)

// The defaults are those of the architecture's configuration class in transformers.
struct HfDefaults {
    float eps = 1e-6f, rope_theta = 10000;
    bool use_sliding_window = false;  // whether sliding_window counts when use_sliding_window is absent
    bool reads_windows = false;       // the architecture itself understands sliding_window
};
ModelSpec read_hf(const HfConfig& config, std::string_view architecture, HfDefaults defaults = {});
void write_hf(const ModelSpec& spec, nlohmann::ordered_json& config);
size_t hf_layer_count(const HfConfig& config, const std::string& name = "num_hidden_layers");
// A number, or "auto": a sixteenth of the width, rounded up.
int hf_dt_rank(const HfConfig& config, std::string_view name, int dim);

// What configurations call the ways to a second expert: all, random, sampling (NLLB-MoE).
moe::RouterPolicy::Second second_expert(const std::string& name, const std::string& source);
std::string second_expert_name(moe::RouterPolicy::Second second);

// Of architectures that GGUF has no layout for: both throw Error.
ModelSpec no_gguf_reader(const Metadata& metadata);
void no_gguf_writer(const ModelSpec& spec, Metadata& metadata);

// Key "{arch}.{name}" of GGUF metadata.
std::string key(const Metadata& metadata, std::string_view name);

// expert_count, expert_used_count and, at `width_key`, the width of an expert.
MoeSpec read_gguf_experts(const Metadata& metadata, std::string_view width_key);
void write_gguf_experts(const MoeSpec& moe, std::string_view width_key, Metadata& metadata);
// Their number by any of its names, num_experts_per_tok, norm_topk_prob (otherwise false) and, at `width_key`, width.
MoeSpec read_hf_experts(const HfConfig& config, const char* width_key);
void write_hf_experts(const MoeSpec& moe, const char* count_key, nlohmann::ordered_json& config);

// DeepSeek's mixture and those after it: leading dense layers, ungated shared experts as wide as routed ones, scores by
// softmax or sigmoid, correction bias, groups, normalisation, scale. `score` is what files mean that do not say.
void read_gguf_deepseek(ModelSpec& spec, const Metadata& metadata, moe::RouterPolicy::Score score);
void write_gguf_deepseek(const ModelSpec& spec, Metadata& metadata);
void read_hf_deepseek(ModelSpec& spec, const HfConfig& config, moe::RouterPolicy::Score score);
void write_hf_deepseek(const ModelSpec& spec, nlohmann::ordered_json& config);

// The attention, state space, mixture or dense width of the first layer that has one; writers state it for all layers. A
// model without experts is an Error for mixture_of; dense_of then tells an expert's width.
AttentionSpec attention_of(const ModelSpec& spec);
SsmSpec ssm_of(const ModelSpec& spec);
MoeSpec mixture_of(const ModelSpec& spec);
DenseSpec dense_of(const ModelSpec& spec);
int leading_dense_layers(const ModelSpec& spec);

void set_qk_norm(ModelSpec& spec, QkNorm norm);
void set_qkv_bias(ModelSpec& spec, bool bias);
void set_mixture(ModelSpec& spec, const MoeSpec& moe, int first_layer = 0);
// Qwen's rule: every decoder_sparse_step-th layer is a mixture unless listed in mlp_only_layers.
void set_qwen_mixture(ModelSpec& spec, const MoeSpec& moe, const HfConfig& config);
void write_qwen_mixture(const ModelSpec& spec, nlohmann::ordered_json& config);

void refuse_attention_bias(const HfConfig& config);
int checked_product(int a, int b, const std::string& source);  // of widths from a file
double decimal(float value);                                   // the shortest decimal that reads back as value

}  // namespace gremium::archs
