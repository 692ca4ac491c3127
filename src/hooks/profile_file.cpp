// Profiles as TOML, read and written by one table of keys.
#include <cmath>
#include <set>

#include <toml++/toml.h>

#include "base/error.h"
#include "hooks/steering_profile.h"
#include "text/text_file.h"

namespace gremium::hooks {
namespace {

using moe::ExpertId;
using Experts = std::set<ExpertId>;

// A value in its file: what is wrong with it is said with file, line and key.
struct Value {
    const std::string& source;
    std::string_view key;
    const toml::node& node;

    std::string where() const { return fmt::format("{}:{}: {}", source, node.source().begin.line, key); }
    Value part(const toml::node& of_it) const { return {source, key, of_it}; }

    std::string text() const {
        if (!node.is_string()) fail("{} must be a string", where());
        return *node.value<std::string>();
    }
    std::string count() const { return node.is_integer() ? fmt::format("{}", *node.value<int64_t>()) : text(); }
    float number() const {
        const auto value = node.value<double>();
        if (!value || !std::isfinite(*value)) fail("{} must be a number", where());
        return static_cast<float>(*value);
    }
    Experts experts() const {
        if (!node.is_array()) fail("{} must be a list of experts, as [\"3.17\"]", where());
        Experts experts;
        for (const toml::node& item : *node.as_array())
            experts.insert(expert_id(part(item).text(), part(item).where()));
        return experts;
    }
    const toml::table& table() const {
        if (!node.is_table()) fail("{} must be a table", where());
        return *node.as_table();
    }
};

std::string toml_text(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return out + '"';
}

std::string listed(const Experts& ids) {
    std::string items;
    for (const ExpertId id : ids) items += fmt::format("{}\"{}\"", items.empty() ? "" : ", ", to_string(id));
    return ids.empty() ? "" : fmt::format("[{}]", items);
}

template <Experts SteeringProfile::*member>
void read_experts(const Value& value, SteeringProfile& profile) {
    profile.*member = value.experts();
}
template <Experts SteeringProfile::*member>
std::string write_experts(const SteeringProfile& profile) {
    return listed(profile.*member);
}

void read_name(const Value& value, SteeringProfile& profile) { profile.name = value.text(); }
std::string write_name(const SteeringProfile& profile) { return profile.name.empty() ? "" : toml_text(profile.name); }

void read_count(const Value& value, SteeringProfile& profile) {
    profile.count = count_of(value.count(), value.where());
}
std::string write_count(const SteeringProfile& profile) {
    return profile.count == SteeringProfile::Count{} ? "" : toml_text(to_string(profile.count));
}

void read_biases(const Value& value, SteeringProfile& profile) {
    for (const auto& [key, bias] : value.table())
        profile.bias[expert_id(key.str(), value.part(bias).where())] = value.part(bias).number();
}
std::string write_biases(const SteeringProfile& profile) {
    std::string lines;
    for (const auto& [id, bias] : profile.bias) lines += fmt::format("\"{}\" = {}\n", to_string(id), bias);
    return lines;
}

void read_layers(const Value& value, SteeringProfile& profile) {
    for (const auto& [key, node] : value.table()) {
        const Value count = value.part(node);
        int layer = 0;
        if (!read_number(key.str(), layer)) fail("{}: a layer expected, found {}", count.where(), key.str());
        profile.layer_count[layer] = count_of(count.count(), count.where());
    }
}
std::string write_layers(const SteeringProfile& profile) {
    std::string lines;
    for (const auto& [layer, count] : profile.layer_count)
        lines += fmt::format("{} = {}\n", layer, toml_text(to_string(count)));
    return lines;
}

struct Field {
    ProfileKey about;
    void (*read)(const Value&, SteeringProfile&);
    std::string (*write)(const SteeringProfile&);  // its value, or its table's lines; empty: not wished for
};

// TOML wants tables behind all else.
const Field fields[] = {
    {{"name", "a string", "\"terse\"", "what reports call the profile; says nothing about routing", false},
     read_name,
     write_name},
    {{"mute", "a list of experts", "[\"3.17\", \"4.1\"]", "never choose them; the next best takes the place", false},
     read_experts<&SteeringProfile::mute>,
     write_experts<&SteeringProfile::mute>},
    {{"drop", "a list of experts", "[\"0.5\"]",
      "leave them out where they are chosen; the token's others share their weight", false},
     read_experts<&SteeringProfile::drop>,
     write_experts<&SteeringProfile::drop>},
    {{"force", "a list of experts", "[\"2.29\"]", "always choose them, with at least a best expert's weight", false},
     read_experts<&SteeringProfile::force>,
     write_experts<&SteeringProfile::force>},
    {{"num_experts", "K, a share of the weight as \"80%\", or both as \"4:80%\"", "\"4:80%\"",
      "experts a token uses, in all layers", false},
     read_count,
     write_count},
    {{"bias", "a number for each expert", "\"5.10\" = -2.5\n\"5.26\" = 0.5",
      "added to the expert's router logit before scores and choice", true},
     read_biases,
     write_biases},
    {{"layers", "as num_experts, for each layer", "3 = 2\n5 = \"80%\"", "experts a token uses in that layer", true},
     read_layers,
     write_layers},
};

void read_key(const Value& value, SteeringProfile& profile) {
    std::string known;
    for (const Field& field : fields) {
        if (field.about.key == value.key) return field.read(value, profile);
        known += fmt::format("{}{}", known.empty() ? "" : ", ", field.about.key);
    }
    fail("{} is unknown; expected one of {}", value.where(), known);
}

}  // namespace

std::vector<ProfileKey> profile_reference() {
    std::vector<ProfileKey> keys;
    for (const Field& field : fields) keys.push_back(field.about);
    return keys;
}

SteeringProfile parse_profile(std::string_view text, const std::string& source) {
    try {
        SteeringProfile profile;
        const toml::table root = toml::parse(text);
        for (const auto& [key, node] : root) read_key({source, key.str(), node}, profile);
        return profile;
    } catch (const toml::parse_error& error) {
        fail("{}:{}: {}", source, error.source().begin.line, error.description());
    }
}

SteeringProfile read_profile(const std::filesystem::path& path) {
    return parse_profile(read_text(path, {}, size_t{1} << 24), path.string());
}

std::string to_toml(const SteeringProfile& profile) {
    std::string out;
    for (const Field& field : fields) {
        const std::string value = field.write(profile);
        if (value.empty()) continue;
        out += field.about.table ? fmt::format("[{}]\n{}", field.about.key, value)
                                 : fmt::format("{} = {}\n", field.about.key, value);
    }
    return out;
}

}  // namespace gremium::hooks
