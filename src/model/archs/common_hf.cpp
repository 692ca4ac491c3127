#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

namespace {

constexpr int max_layers = 4096;

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

void read_scaling(const HfConfig& config, RopeSpec& rope) {
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

float read_theta(const HfConfig& config, float fallback) {
    if (auto parameters = config.child("rope_parameters")) fallback = parameters->get<float>("rope_theta", fallback);
    return config.get<float>("rope_theta", fallback);
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

void refuse_what_is_unknown(const HfConfig& config, int context, HfDefaults defaults) {
    if (const std::string act = config.get<std::string>({"hidden_act", "hidden_activation"}, "silu");
        act != "silu" && act != "swish")
        fail("{}: hidden_act \"{}\" is not supported (silu is)", config.source(), act);
    if (const auto quantised = config.child("quantization_config")) {
        const auto method = quantised->get<std::string>("quant_method", "");
        if (method != "mxfp4" && method != "fp8")
            fail(
                "{}: quantised weights (quantization_config) of method \"{}\" are not supported (mxfp4 and "
                "fp8 are)",
                config.source(), method);
    }
    const bool windowed = config.get<bool>("use_sliding_window", defaults.use_sliding_window) &&
                          config.get<int64_t>("sliding_window", context) < context &&
                          config.get<int64_t>("max_window_layers", 0) < config.require<int64_t>("num_hidden_layers");
    if (windowed && !defaults.reads_windows)
        fail("{}: sliding window attention is not supported here", config.source());
}

}  // namespace

size_t hf_layer_count(const HfConfig& config, const std::string& name) {
    const int layers = config.require<int32_t>(name);
    if (layers < 1 || layers > max_layers)
        fail("{}: {} is {}, expected 1 to {}", config.source(), name, layers, max_layers);
    return static_cast<size_t>(layers);
}

int hf_dt_rank(const HfConfig& config, std::string_view name, int dim) {
    const nlohmann::json* value = config.value(name);
    return !value || *value == "auto" ? (dim + 15) / 16 : config.require<int32_t>(name);
}

ModelSpec read_hf(const HfConfig& config, std::string_view architecture, HfDefaults defaults) {
    ModelSpec spec;
    spec.architecture = architecture;
    spec.name = config.get<std::string>("_name_or_path", "");
    spec.dim = config.require<int32_t>("hidden_size");
    spec.vocab = config.require<int32_t>("vocab_size");
    spec.context = config.require<int32_t>("max_position_embeddings");
    spec.norm.eps = config.get<float>("rms_norm_eps", defaults.eps);
    spec.tied_head = config.get<bool>("tie_word_embeddings", false);
    refuse_what_is_unknown(config, spec.context, defaults);

    AttentionSpec a;
    a.heads = config.require<int32_t>("num_attention_heads");
    a.kv_heads = config.get<int32_t>("num_key_value_heads", a.heads);
    a.head_dim = config.get<int32_t>("head_dim", a.heads > 0 ? spec.dim / a.heads : 0);
    a.value_dim = a.head_dim;
    a.rope.dims = static_cast<int>(std::lround(a.head_dim * config.get<double>("partial_rotary_factor", 1.0)));
    a.rope.pairing = architecture_of(spec).hf_pairing;
    a.rope.base = read_theta(config, defaults.rope_theta);
    read_scaling(config, a.rope);
    const DenseSpec dense{.hidden = config.require<int32_t>("intermediate_size")};
    spec.layers.assign(hf_layer_count(config), {a, dense});
    return spec;
}

void write_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    const AttentionSpec a = attention_of(spec);
    if (!spec.name.empty()) config["_name_or_path"] = spec.name;
    config["vocab_size"] = spec.vocab;
    config["hidden_size"] = spec.dim;
    config["intermediate_size"] = dense_of(spec).hidden;
    config["num_hidden_layers"] = spec.layers.size();
    config["num_attention_heads"] = a.heads;
    config["num_key_value_heads"] = a.kv_heads;
    config["head_dim"] = a.head_dim;
    config["hidden_act"] = "silu";
    config["max_position_embeddings"] = spec.context;
    config["rms_norm_eps"] = decimal(spec.norm.eps);
    config["rope_theta"] = decimal(a.rope.base);
    config["rope_scaling"] = scaling_of(a.rope);
    config["tie_word_embeddings"] = spec.tied_head;
    config["attention_bias"] = a.out_bias;
    config["attention_dropout"] = 0.0;
    config["use_cache"] = true;
}

}  // namespace gremium::archs
