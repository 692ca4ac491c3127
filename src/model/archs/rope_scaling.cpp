// Scaling of rotary frequencies: linear, Llama 3's, YaRN and longrope.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

namespace {

void read_gguf_scaling(const Metadata& metadata, RopeSpec& rope) {
    const auto k = [&](std::string_view name) { return key(metadata, "rope.scaling." + std::string(name)); };
    const std::string type = metadata.get<std::string>(k("type"), "none");
    rope.magnitude = metadata.get<float>(k("attn_factor"), 1.0f);
    if (type == "linear") rope.linear_factor = metadata.require<float>(k("factor"));
    if (type == "none" || type == "linear" || type == "longrope") return;
    if (type != "yarn")
        fail(
            "{}: rotary scaling of type \"{}\" is not supported (none, linear, yarn, longrope, and divisors "
            "in "
            "tensors are)",
            metadata.source(), type);
    rope.yarn = {.factor = metadata.require<float>(k("factor")),
                 .beta_fast = metadata.get<float>(k("yarn_beta_fast"), 32.0f),
                 .beta_slow = metadata.get<float>(k("yarn_beta_slow"), 1.0f),
                 .truncate = metadata.get<bool>(k("yarn_truncate"), true),  // our own: llama.cpp always does
                 .log_multiplier = metadata.get<float>(k("yarn_log_multiplier"), 0.0f)};
    rope.original_context = metadata.require<int32_t>(k("original_context_length"));
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

void read_yarn(const HfConfig& scaling, RopeSpec& rope) {
    rope.yarn = {.factor = scaling.require<float>("factor"),
                 .beta_fast = scaling.get<float>("beta_fast", 32.0f),
                 .beta_slow = scaling.get<float>("beta_slow", 1.0f),
                 .truncate = scaling.get<bool>("truncate", true)};
    rope.magnitude = read_magnitude(scaling, rope.yarn.factor);
}

void read_longrope(const HfConfig& scaling, RopeSpec& rope) {
    rope.divisors = scaling.require<std::vector<float>>("short_factor");
    rope.long_divisors = scaling.require<std::vector<float>>("long_factor");
    rope.magnitude = scaling.get<float>({"short_mscale", "attention_factor"}, 1.0f);
    if (scaling.get<float>("long_mscale", rope.magnitude) != rope.magnitude)
        fail("{}: long_mscale other than short_mscale is not supported", scaling.source());
}

int original_context(const HfConfig& config, const HfConfig& scaling) {
    const char* name = "original_max_position_embeddings";
    if (const auto given = scaling.find<int32_t>(name)) return *given;
    return config.get<int32_t>(name, config.require<int32_t>("max_position_embeddings"));
}

void read_hf_scaling(const HfConfig& config, RopeSpec& rope) {
    const auto scaling = config.child({"rope_scaling", "rope_parameters"});
    if (!scaling) return;
    const std::string type = scaling->get<std::string>({"rope_type", "type"}, "default");
    if (type == "default") return;
    if (type == "linear") {
        rope.linear_factor = scaling->require<float>("factor");
    } else if (type == "llama3") {
        const auto number = [&](const char* name) { return scaling->require<double>(name); };
        const Llama3Scaling llama3{number("factor"), number("low_freq_factor"), number("high_freq_factor"),
                                   number("original_max_position_embeddings")};
        rope.divisors = divisors(llama3, rope.base, rope.dims);
    } else if (type == "yarn") {
        read_yarn(*scaling, rope);
    } else if (type == "longrope" || type == "su") {
        read_longrope(*scaling, rope);
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

void read_rope_scaling(const Input& in, Outline& outline) {
    if (in.gguf)
        read_gguf_scaling(*in.gguf, outline.attention.rope);
    else
        read_hf_scaling(*in.hf, outline.attention.rope);
}

void write_rope_scaling(const Outline& outline, Output& out) {
    const RopeSpec& rope = outline.attention.rope;
    if (out.hf) (*out.hf)["rope_scaling"] = scaling_of(rope);
    if (out.gguf && rope.enabled) write_gguf_scaling(rope, *out.gguf);
}

float yarn_magnitude(float factor) { return static_cast<float>(1 + 0.1 * std::log(double{factor})); }

}  // namespace gremium::archs
