#include "model/archs/common.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/error.h"

namespace gremium::archs {

AttentionSpec attention_of(const ModelSpec& spec) {
    for (const LayerSpec& layer : spec.layers)
        if (const AttentionSpec* attention = layer.attention()) return *attention;
    fail("a {} model without attention cannot be written", spec.architecture);
}

SsmSpec ssm_of(const ModelSpec& spec) {
    for (const LayerSpec& layer : spec.layers)
        if (const SsmSpec* ssm = layer.ssm()) return *ssm;
    fail("a {} model without state space layers cannot be written", spec.architecture);
}

MoeSpec mixture_of(const ModelSpec& spec) {
    for (const LayerSpec& layer : spec.layers)
        if (const MoeSpec* moe = layer.moe()) return *moe;
    fail("a {} model without experts cannot be written", spec.architecture);
}

DenseSpec dense_of(const ModelSpec& spec) {
    for (const LayerSpec& layer : spec.layers)
        if (const DenseSpec* dense = layer.dense()) return *dense;
    return {.hidden = mixture_of(spec).hidden};  // all layers are mixtures: readers want some width
}

int leading_dense_layers(const ModelSpec& spec) {
    const auto first = std::ranges::find_if(spec.layers, [](const LayerSpec& layer) { return layer.moe(); });
    return static_cast<int>(first - spec.layers.begin());
}

void set_qk_norm(ModelSpec& spec, QkNorm norm) {
    for_each_attention(spec, [&](AttentionSpec& a) { a.qk_norm = norm; });
}

void set_qkv_bias(ModelSpec& spec, bool bias) {
    for_each_attention(spec, [&](AttentionSpec& a) { a.qkv_bias = bias; });
}

void set_mixture(ModelSpec& spec, const MoeSpec& moe, int first_layer) {
    for (size_t l = 0; l < spec.layers.size(); ++l)
        if (static_cast<int>(l) >= first_layer) spec.layers[l].feed_forward = moe;
}

namespace {

constexpr std::pair<std::string_view, moe::RouterPolicy::Second> second_experts[] = {
    {"all", moe::RouterPolicy::Second::best},
    {"random", moe::RouterPolicy::Second::likely},
    {"sampling", moe::RouterPolicy::Second::sampled}};

}  // namespace

moe::RouterPolicy::Second second_expert(const std::string& name, const std::string& source) {
    for (const auto& [known, meaning] : second_experts)
        if (known == name) return meaning;
    fail("{}: the policy for second experts is \"{}\", expected all, random or sampling", source, name);
}

std::string second_expert_name(moe::RouterPolicy::Second second) {
    const auto known = std::ranges::find(second_experts, second, [](const auto& entry) { return entry.second; });
    return std::string(known->first);
}

ModelSpec no_gguf_reader(const Metadata& metadata) {
    fail("{}: GGUF has no layout for this architecture", metadata.source());
}
void no_gguf_writer(const ModelSpec& spec, Metadata& metadata) {
    fail("{}: GGUF has no layout for {}", metadata.source(), spec.architecture);
}

void refuse_attention_bias(const HfConfig& config) {
    if (config.get<bool>("attention_bias", false)) fail("{}: attention_bias is not supported here", config.source());
}

int checked_product(int a, int b, const std::string& source) {
    const int64_t product = int64_t{a} * b;
    if (product < 0 || product > INT32_MAX) fail("{}: {} shared experts of width {} are too wide", source, a, b);
    return static_cast<int>(product);
}

double decimal(float value) { return std::strtod(fmt::format("{}", value).c_str(), nullptr); }

}  // namespace gremium::archs
