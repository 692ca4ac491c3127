// What Llama-like architectures share: the metadata of a pre-norm decoder with grouped-query attention and
// RoPE.
#pragma once

#include <functional>

#include "model/archs/architecture.h"

namespace gremium::archs {

// All layers with attention (no biases, no q/k norm) and a dense feed-forward of the stated width; rotation
// half-split.
ModelSpec read_gguf(const Metadata& metadata, std::string_view architecture);
void write_gguf(const ModelSpec& spec, Metadata& metadata);

// What GGUF says by the presence of a tensor: whether the head is tied, attention has biases, selection is
// corrected.
void read_presence(ModelSpec& spec, const std::function<bool(const std::string& name)>& contains);

// The defaults are those of the architecture's configuration class in transformers.
struct HfDefaults {
    float eps = 1e-6f, rope_theta = 10000;
    bool use_sliding_window = false;  // whether sliding_window counts when use_sliding_window is absent
};
ModelSpec read_hf(const HfConfig& config, std::string_view architecture, HfDefaults defaults = {});
void write_hf(const ModelSpec& spec, nlohmann::ordered_json& config);

// Key "{arch}.{name}" of GGUF metadata.
std::string key(const Metadata& metadata, std::string_view name);

// expert_count, expert_used_count and, at `width_key`, the width of an expert.
MoeSpec read_gguf_experts(const Metadata& metadata, std::string_view width_key);
void write_gguf_experts(const MoeSpec& moe, std::string_view width_key, Metadata& metadata);

// The attention, mixture or dense width of the first layer that has one; writers state it for all layers. A
// model without experts is an Error for mixture_of; dense_of then tells an expert's width.
AttentionSpec attention_of(const ModelSpec& spec);
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
double decimal(float value);  // the shortest decimal that reads back as value

}  // namespace gremium::archs
