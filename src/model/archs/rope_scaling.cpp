// Scaling of rotary frequencies: linear, Llama 3's, YaRN and longrope.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <tuple>

#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

namespace {

// What scales positions: the key that files have had since GGUF's first year, or the one before.
float gguf_factor(const Metadata& metadata) {
    const float older = metadata.get<float>(key(metadata, "rope.scale_linear"), 0);
    const float factor = metadata.get<float>(key(metadata, "rope.scaling.factor"), older);
    return factor == 0 ? 1 : factor;
}

void read_gguf_scaling(const Metadata& metadata, int context, RopeSpec& rope) {
    const auto k = [&](std::string_view name) { return key(metadata, "rope.scaling." + std::string(name)); };
    // A factor alone is linear.
    const std::string type = metadata.get<std::string>(k("type"), "linear");
    rope.magnitude = metadata.get<float>(k("attn_factor"), 1.0f) * metadata.get<float>(k("yarn_attn_factor"), 1.0f);
    if (type == "linear") rope.linear_factor = gguf_factor(metadata);
    if (type == "none") gguf_factor(metadata);  // said, but not to be used
    rope.original_context = metadata.get<int32_t>(k("original_context_length"), type == "yarn" ? context : 0);
    if (type == "none" || type == "linear" || type == "longrope") return;
    if (type != "yarn")
        fail(
            "{}: rotary scaling of type \"{}\" is not supported (none, linear, yarn, longrope, and divisors "
            "in "
            "tensors are)",
            metadata.source(), type);
    if (!metadata.contains(key(metadata, "rope.scale_linear"))) std::ignore = metadata.require<float>(k("factor"));
    rope.yarn = {.factor = gguf_factor(metadata),
                 .beta_fast = metadata.get<float>(k("yarn_beta_fast"), 32.0f),
                 .beta_slow = metadata.get<float>(k("yarn_beta_slow"), 1.0f),
                 .truncate = metadata.get<bool>(k("yarn_truncate"), true),  // our own: llama.cpp always does
                 .log_multiplier = metadata.get<float>(k("yarn_log_multiplier"), 0.0f)};
    // Where scores grow with the factor, cosines and sines do not (DeepSeek).
    if (rope.yarn.log_multiplier == 0) rope.magnitude *= yarn_magnitude(rope.yarn.factor);
}

void write_gguf_scaling(const RopeSpec& rope, Metadata& metadata) {
    const auto set = [&](std::string_view name, MetaValue value) {
        metadata.set(key(metadata, "rope.scaling." + std::string(name)), std::move(value));
    };
    if (rope.original_context > 0) set("original_context_length", static_cast<uint32_t>(rope.original_context));
    if (rope.linear_factor != 1) {
        set("type", std::string("linear"));
        set("factor", rope.linear_factor);
    }
    const YarnSpec& yarn = rope.yarn;
    if (yarn.factor == 1) {
        if (rope.magnitude != 1) set("attn_factor", rope.magnitude);
        return;
    }
    set("type", std::string("yarn"));
    set("factor", yarn.factor);
    if (yarn.beta_fast != 32 || yarn.beta_slow != 1) {
        set("yarn_beta_fast", yarn.beta_fast);
        set("yarn_beta_slow", yarn.beta_slow);
    }
    if (!yarn.truncate) set("yarn_truncate", false);
    if (yarn.log_multiplier != 0) set("yarn_log_multiplier", yarn.log_multiplier);
    const float usual = yarn.log_multiplier != 0 ? 1 : yarn_magnitude(yarn.factor);
    if (rope.magnitude != usual) set("attn_factor", rope.magnitude / usual);
}

// Llama 3's scaling of rotary frequencies, as transformers' "rope_type": "llama3".
struct Llama3Scaling {
    double factor, low, high, original_context;
};

std::vector<float> divisors(const Llama3Scaling& s, double base, int dims) {
    std::vector<float> result;
    for (int i = 0; i < dims / 2; ++i) {
        const double wavelength = 2 * std::numbers::pi * std::pow(base, 2.0 * i / dims);
        const double smooth = (s.original_context / wavelength - s.low) / (s.high - s.low);
        double divisor = 1 / ((1 - smooth) / s.factor + smooth);
        if (wavelength < s.original_context / s.high) divisor = 1;
        if (wavelength > s.original_context / s.low) divisor = s.factor;
        result.push_back(static_cast<float>(divisor));
    }
    return result;
}

// The magnitude of YaRN's cosines and sines, as transformers and DeepSeek's own code choose it.
float read_magnitude(const HfConfig& scaling, double factor) {
    if (const auto given = scaling.find<float>("attention_factor")) return *given;
    const double mscale = scaling.get<double>("mscale", 0), all = scaling.get<double>("mscale_all_dim", 0);
    const auto growth = [&](double m) { return 1 + 0.1 * m * std::log(factor); };
    if (mscale != 0 && all != 0) return static_cast<float>(growth(mscale) / growth(all));
    return yarn_magnitude(static_cast<float>(factor));
}

int original_context(const HfConfig& config, const HfConfig& scaling) {
    const char* name = "original_max_position_embeddings";
    if (const auto given = scaling.find<int32_t>(name)) return *given;
    return config.get<int32_t>(name, config.require<int32_t>("max_position_embeddings"));
}

// How much longer the context has become, where the factor is not said.
double growth_of_context(const HfConfig& config, const HfConfig& scaling) {
    return config.require<double>("max_position_embeddings") / std::max(1, original_context(config, scaling));
}

void read_yarn(const HfConfig& config, const HfConfig& scaling, RopeSpec& rope) {
    const Keys original("original_max_position_embeddings");
    const bool follows = scaling.contains(original) || config.contains(original);
    const auto growth = static_cast<float>(growth_of_context(config, scaling));
    rope.yarn = {.factor = follows ? scaling.get<float>("factor", growth) : scaling.require<float>("factor"),
                 .beta_fast = scaling.get<float>("beta_fast", 32.0f),
                 .beta_slow = scaling.get<float>("beta_slow", 1.0f),
                 .truncate = scaling.get<bool>("truncate", true)};
    rope.magnitude = read_magnitude(scaling, rope.yarn.factor);
}

// The magnitude that transformers gives longrope when files do not.
float usual_magnitude(const HfConfig& config, const HfConfig& scaling) {
    const double growth = growth_of_context(config, scaling), factor = scaling.get<double>("factor", growth);
    const double by = growth > 1 ? growth : factor, original = original_context(config, scaling);
    return by > 1 && original > 1 ? static_cast<float>(std::sqrt(1 + std::log(by) / std::log(original))) : 1;
}

void read_longrope(const HfConfig& config, const HfConfig& scaling, RopeSpec& rope) {
    rope.divisors = scaling.require<std::vector<float>>("short_factor");
    rope.long_divisors = scaling.require<std::vector<float>>("long_factor");
    rope.magnitude = scaling.get<float>({"short_mscale", "attention_factor"}, usual_magnitude(config, scaling));
    if (scaling.get<float>("long_mscale", rope.magnitude) != rope.magnitude)
        fail("{}: long_mscale other than short_mscale is not supported", scaling.source());
}

bool is_by_kind(const nlohmann::json& said) {
    const auto is_object = [](const nlohmann::json& value) { return value.is_object(); };
    return !said.empty() && std::ranges::all_of(said, is_object);
}

// Of rotations by kind of layer, that of the kinds that the model has.
HfConfig of_all_layers(const HfConfig& config, const HfConfig& by_kind) {
    std::vector<std::string> kinds = config.get<std::vector<std::string>>("layer_types", {"full_attention"});
    std::ranges::sort(kinds);
    kinds.erase(std::ranges::unique(kinds).begin(), kinds.end());
    std::optional<HfConfig> common;
    for (const std::string& kind : kinds) {
        const auto own = by_kind.child(kind);
        if (!own) fail("{}: {} is missing, though there are such layers", by_kind.source(), kind);
        if (common && common->object() != own->object())
            fail("{}: other rotation in layers of {} than of {} is not supported", by_kind.source(), kind,
                 kinds.front());
        if (common)
            by_kind.value(kind);
        else
            common = own;
    }
    return *common;
}

void read_hf_scaling(const Input& in, RopeSpec& rope) {
    const HfConfig& config = *in.hf;
    const auto scaling = rotation_said(in, {"rope_scaling", "rope_parameters"});
    if (!scaling) return;
    const std::string type = scaling->get<std::string>({"rope_type", "type"}, "default");
    if (type == "default") return;
    if (type == "linear") {
        rope.linear_factor = scaling->require<float>("factor");
    } else if (type == "dynamic" && scaling->contains("alpha")) {  // Hunyuan's: a larger base, whatever the length
        const double dims = rope.dims, alpha = scaling->require<double>("alpha");
        rope.base = static_cast<float>(double{rope.base} * std::pow(alpha, dims / std::max(1.0, dims - 2)));
    } else if (type == "llama3") {
        const auto number = [&](const char* name) { return scaling->require<double>(name); };
        const Llama3Scaling llama3{number("factor"), number("low_freq_factor"), number("high_freq_factor"),
                                   static_cast<double>(original_context(config, *scaling))};
        rope.divisors = divisors(llama3, rope.base, rope.dims);
    } else if (type == "yarn") {
        read_yarn(config, *scaling, rope);
    } else if (type == "longrope" || type == "su") {
        read_longrope(config, *scaling, rope);
    } else {
        fail("{}: rotary scaling of type \"{}\" is not supported (linear, llama3, yarn and longrope are)",
             config.source(), type);
    }
    if (rope.yarn.factor != 1 || !rope.long_divisors.empty())
        rope.original_context = original_context(config, *scaling);
}

nlohmann::ordered_json yarn_of(const RopeSpec& rope) {
    const YarnSpec& yarn = rope.yarn;
    nlohmann::ordered_json said{{"rope_type", "yarn"},
                                {"factor", decimal(yarn.factor)},
                                {"original_max_position_embeddings", rope.original_context},
                                {"beta_fast", decimal(yarn.beta_fast)},
                                {"beta_slow", decimal(yarn.beta_slow)},
                                {"truncate", yarn.truncate}};
    if (yarn.log_multiplier != 0 && rope.magnitude == 1) {
        const double mscale = decimal(static_cast<float>(10 * decimal(yarn.log_multiplier)));
        said["mscale"] = mscale;
        said["mscale_all_dim"] = mscale;
    } else if (rope.magnitude != yarn_magnitude(yarn.factor)) {
        said["attention_factor"] = decimal(rope.magnitude);
    }
    return said;
}

nlohmann::ordered_json longrope_of(const RopeSpec& rope) {
    const auto decimals = [](const std::vector<float>& values) {
        nlohmann::ordered_json list = nlohmann::ordered_json::array();
        for (const float v : values) list.push_back(decimal(v));
        return list;
    };
    return {{"type", "longrope"},
            {"short_factor", decimals(rope.divisors)},
            {"long_factor", decimals(rope.long_divisors)},
            {"short_mscale", decimal(rope.magnitude)},
            {"long_mscale", decimal(rope.magnitude)},
            {"original_max_position_embeddings", rope.original_context}};
}

// Divisors say less than Llama 3's parameters: those of its releases, and of Llama 4's, are tried.
nlohmann::ordered_json scaling_of(const RopeSpec& rope) {
    if (rope.linear_factor != 1) return {{"rope_type", "linear"}, {"factor", decimal(rope.linear_factor)}};
    if (rope.yarn.factor != 1) return yarn_of(rope);
    if (!rope.long_divisors.empty()) return longrope_of(rope);
    if (rope.divisors.empty()) return nullptr;
    for (const double high : {4.0, 1.0}) {
        const Llama3Scaling release{rope.divisors.back(), 1, high, 8192};
        const auto near = [](float a, float b) { return std::abs(a - b) <= 1e-5f * a; };
        if (!std::ranges::equal(divisors(release, rope.base, rope.dims), rope.divisors, near)) continue;
        return {{"rope_type", "llama3"},
                {"factor", release.factor},
                {"low_freq_factor", release.low},
                {"high_freq_factor", release.high},
                {"original_max_position_embeddings", static_cast<int64_t>(release.original_context)}};
    }
    fail("config.json cannot express these rotary frequency divisors");
}

}  // namespace

std::optional<HfConfig> rotation_said(const Input& in, const Keys& keys) {
    const HfConfig& config = *in.hf;
    const bool silent = !config.says("rope_scaling") && !config.says("rope_parameters");
    if (silent && !in.defaults.rotation.empty())
        return HfConfig(nlohmann::json::parse(in.defaults.rotation), config.source());
    auto said = config.child(keys);
    if (said && is_by_kind(said->object()))
        said = in.defaults.rotates_by_kind ? said->child("full_attention") : of_all_layers(config, *said);
    return said;
}

void read_rope_scaling(const Input& in, Outline& outline) {
    if (in.gguf)
        read_gguf_scaling(*in.gguf, outline.model.context, outline.attention.rope);
    else
        read_hf_scaling(in, outline.attention.rope);
}

void write_rope_scaling(const Outline& outline, Output& out) {
    const RopeSpec& rope = outline.attention.rope;
    if (out.hf) (*out.hf)["rope_scaling"] = scaling_of(rope);
    if (out.gguf && rope.enabled) write_gguf_scaling(rope, *out.gguf);
}

float yarn_magnitude(float factor) { return static_cast<float>(1 + 0.1 * std::log(double{factor})); }

}  // namespace gremium::archs
