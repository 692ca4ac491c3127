// A steering profile: settings that change routing. It comes from flags or a TOML file, can be merged with others, is
// checked against a model, and has a hash.
#pragma once

#include <charconv>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/spec/spec.h"
#include "moe/store/contract.h"

namespace gremium::hooks {

// What each setting does to the logits l of a token, before scores, correction bias, groups and the choice of experts:
//
//   bias   l_e += b. Softmax routers (over all experts or over the chosen ones): multiplies the odds of e against every
//          other expert by e^b. Sigmoid routers: multiplies the odds of e's own score; the correction bias is added
//          later and does not change, so near scores of 0 and 1 the same b does less. SparseMixer: also changes which
//          experts compete. Prefer this setting: a token with a strong preference for another expert keeps it.
//   mute   l_e = −∞: never chosen, the next best takes its place. Scores of softmax routers are over the other experts.
//   drop   Chosen as usual, then dropped: its weight goes to the token's other choices, in proportion.
//   force  l_e = max(l_e, the token's largest l), and chosen before all others, whatever correction bias and groups
//          say. Its weight is at least that of the best expert (as SteerMoE's activation: Fayyaz et al. 2025).
//   count  Another k. With mass < 1, of these k the fewest, best first, whose weights sum to that share of the total.
//
// Biases are applied before force. A capacity of experts applies after the choice, as without steering.
struct SteeringProfile {
    struct Count {
        int top_k = 0;   // 0: the model's k
        float mass = 1;  // (0, 1]
        friend bool operator==(const Count&, const Count&) = default;
    };
    std::string name = {};  // has no effect on routing
    std::map<moe::ExpertId, float> bias = {};
    std::set<moe::ExpertId> mute = {}, drop = {}, force = {};
    Count count = {};  // for layers that are not in layer_count
    std::map<int, Count> layer_count = {};

    bool empty() const;
    // Adds the settings of another profile; where both set the same number, the later one wins.
    void merge(const SteeringProfile& later);

    // From the comma-separated form of the command line: "3.17=+0.5,4.1=-2"; "3.17,4.1"; "2", "80%" or "4:80%" for all
    // layers and "3=2" for one layer.
    void add_bias(std::string_view text);
    static void add_experts(std::set<moe::ExpertId>& experts, std::string_view text, std::string_view flag);
    void add_count(std::string_view text);

    friend bool operator==(const SteeringProfile&, const SteeringProfile&) = default;
};

// A key of profiles in TOML.
struct ProfileKey {
    std::string_view key, values, example, help;
    bool table;  // the example is its lines
};
std::vector<ProfileKey> profile_reference();

SteeringProfile parse_profile(std::string_view toml, const std::string& source);
SteeringProfile read_profile(const std::filesystem::path& path);
std::string to_toml(const SteeringProfile& profile);
// The hash of everything but the name; empty for an empty profile.
std::string hash_of(const SteeringProfile& profile);
// "2 biased, 1 muted, 4 experts per token".
std::string summary(const SteeringProfile& profile);

// Throws Error, describing the layer, if an expert does not exist, or if no choice could satisfy the profile: too few
// experts left to choose from, more experts forced than chosen, or experts forced from more groups than are used.
void check(const SteeringProfile& profile, const ModelSpec& spec);

// What profiles and flags are made of. A number is the whole text, which may begin with '+'; false if it is not one.
template <typename Number>
bool read_number(std::string_view text, Number& value) {
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// Throw Error; its message begins with `where`.
moe::ExpertId expert_id(std::string_view text, std::string_view where);          // "3.17"
SteeringProfile::Count count_of(std::string_view text, std::string_view where);  // "4", "80%", "4:80%"

std::string to_string(moe::ExpertId id);
std::string to_string(const SteeringProfile::Count& count);

}  // namespace gremium::hooks
