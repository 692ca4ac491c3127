#include "hooks/steering_profile.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include <toml++/toml.h>

#include "base/error.h"
#include "base/hash.h"
#include "text/text_file.h"

namespace gremium::hooks {
namespace {

using moe::ExpertId;
using Count = SteeringProfile::Count;

template <typename Number>
bool read_number(std::string_view text, Number& value) {
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

std::vector<std::string_view> list(std::string_view text) {
    std::vector<std::string_view> items;
    while (true) {
        const size_t comma = text.find(',');
        items.push_back(trimmed(text.substr(0, comma)));
        if (comma == std::string_view::npos) return items;
        text.remove_prefix(comma + 1);
    }
}

ExpertId expert_id(std::string_view text, std::string_view where) {
    const size_t dot = text.find('.');
    ExpertId id;
    if (dot == std::string_view::npos || !read_number(text.substr(0, dot), id.layer) ||
        !read_number(text.substr(dot + 1), id.expert))
        fail("{} {}: LAYER.EXPERT expected, as 3.17", where, text);
    return id;
}

float finite(std::string_view text, std::string_view where, std::string_view whole) {
    float value = 0;
    if (!read_number(text, value) || !std::isfinite(value))
        fail("{} {}: a number expected after '=', found '{}'", where, whole, text);
    return value;
}

// "4", "80%", "4:80%".
Count count_of(std::string_view text, std::string_view where) {
    Count count;
    std::string_view rest = text;
    const size_t colon = rest.find(':');
    const bool mass = rest.ends_with('%');
    bool good = true;
    if (!mass || colon != std::string_view::npos) {
        good = read_number(rest.substr(0, colon), count.top_k) && count.top_k >= 1;
        rest.remove_prefix(std::min(colon, rest.size() - 1) + 1);
    }
    if (mass) {
        rest.remove_suffix(1);
        good &= read_number(rest, count.mass);
        count.mass /= 100;
        good &= count.mass > 0 && count.mass <= 1;
    } else {
        good &= colon == std::string_view::npos;
    }
    if (!good) fail("{} {}: a number of experts, a share of weight as 80%, or both as 4:80% expected", where, text);
    return count;
}

std::string to_string(ExpertId id) { return fmt::format("{}.{}", id.layer, id.expert); }

std::string to_string(const Count& count) {
    const std::string k = count.top_k ? fmt::format("{}", count.top_k) : "";
    if (count.mass == 1) return k;
    return fmt::format("{}{}{}%", k, k.empty() ? "" : ":", 100 * count.mass);
}

// One TOML file.
class Reader {
  public:
    explicit Reader(std::string source) : source_(std::move(source)) {}

    SteeringProfile read(const toml::table& root) const {
        SteeringProfile profile;
        for (const auto& [key, node] : root) {
            if (key == "name")
                profile.name = text(node, "name");
            else if (key == "mute")
                experts(node, "mute", profile.mute);
            else if (key == "drop")
                experts(node, "drop", profile.drop);
            else if (key == "force")
                experts(node, "force", profile.force);
            else if (key == "num_experts")
                profile.count = count_of(count_text(node, "num_experts"), where(node, "num_experts"));
            else if (key == "bias")
                biases(node, profile);
            else if (key == "layers")
                layers(node, profile);
            else
                fail("{} unknown; name, mute, drop, force, num_experts, [bias] and [layers] expected",
                     where(node, key.str()));
        }
        return profile;
    }

  private:
    std::string where(const toml::node& node, std::string_view key) const {
        return fmt::format("{}:{}: {}", source_, node.source().begin.line, key);
    }
    std::string text(const toml::node& node, std::string_view key) const {
        const auto value = node.value<std::string>();
        if (!node.is_string()) fail("{} must be a string", where(node, key));
        return *value;
    }
    std::string count_text(const toml::node& node, std::string_view key) const {
        if (node.is_integer()) return fmt::format("{}", *node.value<int64_t>());
        return text(node, key);
    }
    void experts(const toml::node& node, std::string_view key, std::set<ExpertId>& into) const {
        if (!node.is_array()) fail("{} must be a list of experts, as [\"3.17\"]", where(node, key));
        for (const toml::node& item : *node.as_array()) into.insert(expert_id(text(item, key), where(item, key)));
    }
    const toml::table& table(const toml::node& node, std::string_view key) const {
        if (!node.is_table()) fail("{} must be a table", where(node, key));
        return *node.as_table();
    }
    void biases(const toml::node& node, SteeringProfile& profile) const {
        for (const auto& [key, value] : table(node, "bias")) {
            const auto number = value.value<double>();
            if (!number || !std::isfinite(*number))
                fail("{} must be a number", where(value, fmt::format("bias.\"{}\"", key.str())));
            profile.bias[expert_id(key.str(), where(value, "bias"))] = static_cast<float>(*number);
        }
    }
    void layers(const toml::node& node, SteeringProfile& profile) const {
        for (const auto& [key, value] : table(node, "layers")) {
            int layer = 0;
            if (!read_number(key.str(), layer)) fail("{}: a layer expected", where(value, key.str()));
            profile.layer_count[layer] = count_of(count_text(value, key.str()), where(value, "layers"));
        }
    }

    std::string source_;
};

// One layer of a model, for check.
struct LayerFacts {
    int layer;
    const moe::RouterPolicy& policy;

    std::string text() const {
        std::string facts = fmt::format("layer {} has {} experts (0 to {}), of which a token uses {}", layer,
                                        policy.experts, policy.experts - 1, policy.top_k);
        if (policy.groups > 1) facts += fmt::format(", out of {} of {} groups", policy.groups_used, policy.groups);
        return facts;
    }
    int group_of(int expert) const { return expert / (policy.experts / policy.groups); }

    // How many a token can choose from at least, whatever groups its scores prefer. Groups without any choice are last.
    int choices(const std::set<int>& muted) const {
        std::vector<int> left(static_cast<size_t>(policy.groups), policy.experts / policy.groups);
        for (const int e : muted) --left[static_cast<size_t>(group_of(e))];
        std::erase(left, 0);
        std::ranges::sort(left);
        int sum = 0;
        for (size_t g = 0; g < std::min(left.size(), static_cast<size_t>(policy.groups_used)); ++g) sum += left[g];
        return sum;
    }
};

std::set<int> of_layer(const std::set<ExpertId>& all, int layer) {
    std::set<int> experts;
    for (const ExpertId id : all)
        if (id.layer == layer) experts.insert(id.expert);
    return experts;
}

const moe::RouterPolicy& policy_of(const ModelSpec& spec, int layer, std::string_view wish) {
    const bool exists = layer >= 0 && layer < static_cast<int>(spec.layers.size());
    const MoeSpec* moe = exists ? spec.layers[static_cast<size_t>(layer)].moe() : nullptr;
    if (moe) return moe->router;
    if (exists) fail("{}: layer {} of {} has no experts", wish, layer, spec.name);
    fail("{}: there is no layer {}; {} has layers 0 to {}", wish, layer, spec.name, spec.layers.size() - 1);
}

void check_expert(ExpertId id, const ModelSpec& spec, const char* wish) {
    const std::string what = fmt::format("{} {}", wish, to_string(id));
    const moe::RouterPolicy& policy = policy_of(spec, id.layer, what);
    if (id.expert < 0 || id.expert >= policy.experts)
        fail("{}: there is no expert {}; {}", what, id.expert, LayerFacts{id.layer, policy}.text());
}

void check_layer(const SteeringProfile& profile, const LayerFacts& facts) {
    const auto own = profile.layer_count.find(facts.layer);
    const Count& count = own == profile.layer_count.end() ? profile.count : own->second;
    const int top_k = count.top_k ? count.top_k : facts.policy.top_k;
    const std::set<int> muted = of_layer(profile.mute, facts.layer), dropped = of_layer(profile.drop, facts.layer),
                        forced = of_layer(profile.force, facts.layer);
    std::set<int> unusable = muted, groups;
    unusable.insert(dropped.begin(), dropped.end());
    for (const int e : forced) {
        if (unusable.contains(e)) fail("expert {}.{} is forced and taken away; {}", facts.layer, e, facts.text());
        groups.insert(facts.group_of(e));
    }
    if (static_cast<int>(unusable.size()) == facts.policy.experts)
        fail("every expert of layer {} is taken away; {}", facts.layer, facts.text());
    if (const int left = facts.choices(muted); top_k > left)
        fail("a token of layer {} shall use {} experts and may have {} to choose from, {} are muted; {}", facts.layer,
             top_k, left, muted.size(), facts.text());
    if (static_cast<int>(forced.size()) > top_k)
        fail("{} experts of layer {} are forced, a token shall use {}; {}", forced.size(), facts.layer, top_k,
             facts.text());
    if (static_cast<int>(groups.size()) > facts.policy.groups_used)
        fail("experts of {} groups of layer {} are forced; {}", groups.size(), facts.layer, facts.text());
}

}  // namespace

bool SteeringProfile::empty() const {
    return bias.empty() && mute.empty() && drop.empty() && force.empty() && count == Count{} && layer_count.empty();
}

void SteeringProfile::merge(const SteeringProfile& later) {
    if (!later.name.empty()) name += (name.empty() ? "" : " + ") + later.name;
    for (const auto& [id, value] : later.bias) bias[id] = value;
    mute.insert(later.mute.begin(), later.mute.end());
    drop.insert(later.drop.begin(), later.drop.end());
    force.insert(later.force.begin(), later.force.end());
    if (later.count != Count{}) count = later.count;
    for (const auto& [layer, value] : later.layer_count) layer_count[layer] = value;
}

void SteeringProfile::add_bias(std::string_view text) {
    for (const std::string_view item : list(text)) {
        const size_t equals = item.find('=');
        if (equals == std::string_view::npos) fail("--bias {}: LAYER.EXPERT=NUMBER expected, as 3.17=+0.5", item);
        bias[expert_id(item.substr(0, equals), "--bias")] = finite(item.substr(equals + 1), "--bias", item);
    }
}

void SteeringProfile::add_experts(std::set<ExpertId>& experts, std::string_view text, std::string_view flag) {
    for (const std::string_view item : list(text)) experts.insert(expert_id(item, flag));
}

void SteeringProfile::add_count(std::string_view text) {
    for (const std::string_view item : list(text)) {
        const size_t equals = item.find('=');
        if (equals == std::string_view::npos) {
            count = count_of(item, "--num-experts");
            continue;
        }
        int layer = 0;
        if (!read_number(item.substr(0, equals), layer)) fail("--num-experts {}: LAYER=K expected", item);
        layer_count[layer] = count_of(item.substr(equals + 1), "--num-experts");
    }
}

SteeringProfile parse_profile(std::string_view text, const std::string& source) {
    try {
        return Reader(source).read(toml::parse(text));
    } catch (const toml::parse_error& error) {
        fail("{}:{}: {}", source, error.source().begin.line, error.description());
    }
}

SteeringProfile read_profile(const std::filesystem::path& path) {
    return parse_profile(read_text(path, {}, size_t{1} << 24), path.string());
}

std::string to_toml(const SteeringProfile& profile) {
    std::string out;
    if (!profile.name.empty()) {
        std::string quoted;
        for (const char c : profile.name) {
            if (c == '"' || c == '\\') quoted += '\\';
            quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
        }
        out += fmt::format("name = \"{}\"\n", quoted);
    }
    const auto experts = [&](const char* key, const std::set<ExpertId>& ids) {
        std::string items;
        for (const ExpertId id : ids) items += fmt::format("{}\"{}\"", items.empty() ? "" : ", ", to_string(id));
        if (!ids.empty()) out += fmt::format("{} = [{}]\n", key, items);
    };
    experts("mute", profile.mute);
    experts("drop", profile.drop);
    experts("force", profile.force);
    if (profile.count != Count{}) out += fmt::format("num_experts = \"{}\"\n", to_string(profile.count));
    if (!profile.bias.empty()) out += "[bias]\n";
    for (const auto& [id, value] : profile.bias) out += fmt::format("\"{}\" = {}\n", to_string(id), value);
    if (!profile.layer_count.empty()) out += "[layers]\n";
    for (const auto& [layer, value] : profile.layer_count) out += fmt::format("{} = \"{}\"\n", layer, to_string(value));
    return out;
}

std::string hash_of(const SteeringProfile& profile) {
    if (profile.empty()) return {};
    SteeringProfile nameless = profile;
    nameless.name.clear();
    const std::string text = to_toml(nameless);
    return content_hash(std::as_bytes(std::span(text)));
}

std::string summary(const SteeringProfile& profile) {
    std::vector<std::string> parts;
    const auto part = [&](size_t n, const char* what) {
        if (n > 0) parts.push_back(fmt::format("{} {}", n, what));
    };
    part(profile.bias.size(), "biased");
    part(profile.mute.size(), "muted");
    part(profile.drop.size(), "dropped");
    part(profile.force.size(), "forced");
    if (profile.count != Count{}) parts.push_back(to_string(profile.count) + " experts a token");
    part(profile.layer_count.size(), "layers with their own number");
    return fmt::format("{}", fmt::join(parts, ", "));
}

void check(const SteeringProfile& profile, const ModelSpec& spec) {
    for (const auto& [id, value] : profile.bias) check_expert(id, spec, "bias");
    for (const ExpertId id : profile.mute) check_expert(id, spec, "mute");
    for (const ExpertId id : profile.drop) check_expert(id, spec, "drop");
    for (const ExpertId id : profile.force) check_expert(id, spec, "force");
    for (const auto& [layer, count] : profile.layer_count) policy_of(spec, layer, "num_experts");
    bool mixture = false;
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const MoeSpec* moe = spec.layers[l].moe();
        if (moe) check_layer(profile, {static_cast<int>(l), moe->router});
        mixture |= moe != nullptr;
    }
    if (!mixture && !profile.empty()) fail("{} has no experts to steer", spec.name);
}

}  // namespace gremium::hooks
