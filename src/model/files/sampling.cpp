#include "model/files/sampling.h"

#include <cmath>
#include <limits>
#include <optional>
#include <variant>

#include "base/error.h"
#include "model/archs/fields.h"

namespace gremium {

namespace {

using Member = std::variant<std::optional<float> SamplingDefaults::*, std::optional<int> SamplingDefaults::*>;

struct Setting {
    Member member;
    std::string_view gguf, hf;  // none: that format has no such key
    double least, most;
};
constexpr double any = std::numeric_limits<int>::max();
constexpr Setting settings[] = {
    {&SamplingDefaults::temperature, "temp", "temperature", 0, any},
    {&SamplingDefaults::top_k, "top_k", "top_k", -1, any},
    {&SamplingDefaults::top_p, "top_p", "top_p", std::numeric_limits<float>::min(), 1},
    {&SamplingDefaults::min_p, "min_p", "min_p", 0, 1},
    {&SamplingDefaults::repetition_penalty, "penalty_repeat", "repetition_penalty", std::numeric_limits<float>::min(),
     any},
    {&SamplingDefaults::repetition_window, "penalty_last_n", "", 0, any},
};

std::string gguf_key(const Setting& setting) { return "general.sampling." + std::string(setting.gguf); }

// Calls at(key) for each setting that the format has; at gives a number, or none where there is none.
template <typename At, typename KeyOf>
SamplingDefaults read(const std::string& source, At&& at, KeyOf&& key_of, std::vector<std::string>& warnings) {
    SamplingDefaults sampling;
    for (const Setting& setting : settings) {
        const std::string key = key_of(setting);
        const std::optional<double> value = key.empty() ? std::nullopt : at(key);
        if (!value) continue;
        if (!(*value >= setting.least && *value <= setting.most)) {
            warnings.push_back(fmt::format("{}: {} is {}, which is out of range and not used", source, key, *value));
            continue;
        }
        if (const auto* real = std::get_if<0>(&setting.member))
            sampling.** real = static_cast<float>(*value);
        else  // -1 means all, as 0 does
            sampling.*std::get<1>(setting.member) = std::max(0, static_cast<int>(*value));
    }
    return sampling;
}

template <typename Say>
void write(const SamplingDefaults& sampling, Say&& say) {
    for (const Setting& setting : settings)
        std::visit(
            [&](auto member) {
                if (sampling.*member) say(setting, *(sampling.*member));
            },
            setting.member);
}

}  // namespace

SamplingDefaults read_sampling(const Metadata& metadata, std::vector<std::string>& warnings) {
    const auto at = [&](const std::string& key) { return metadata.find<double>(key); };
    return read(metadata.source(), at, gguf_key, warnings);
}

SamplingDefaults read_sampling(const HfConfig& generation, std::vector<std::string>& warnings) {
    const auto at = [&](const std::string& key) { return generation.find<double>(key); };
    const auto key_of = [](const Setting& setting) { return std::string(setting.hf); };
    SamplingDefaults sampling = read(generation.source(), at, key_of, warnings);
    if (!generation.get<bool>("do_sample", true)) sampling.temperature = 0;
    return sampling;
}

void write_sampling(const SamplingDefaults& sampling, Metadata& metadata) {
    write(sampling, [&](const Setting& setting, auto value) { metadata.set(gguf_key(setting), value); });
}

void write_sampling(const SamplingDefaults& sampling, nlohmann::ordered_json& generation) {
    if (sampling == SamplingDefaults{}) return;
    generation["do_sample"] = sampling.temperature != 0.0f;
    write(sampling, [&](const Setting& setting, auto value) {
        if (setting.hf.empty() || (setting.hf == "temperature" && value == 0)) return;
        if constexpr (std::is_same_v<decltype(value), float>)
            generation[std::string(setting.hf)] = archs::decimal(value);
        else
            generation[std::string(setting.hf)] = value;
    });
}

}  // namespace gremium
