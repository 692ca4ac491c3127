// A wish about routing as a record: from flags or a TOML file, mergeable, checked against a model, named by a hash.
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

// What each wish means where the hook sees a token's logits l, before scores, correction bias, groups and choice:
//
//   bias   l_e += b. Softmax routers (over all experts or over the chosen ones): the odds of e against every
//          other expert are multiplied by exp(b). Sigmoid routers: the odds of e's own score are; a correction bias
//          is added later and not touched, so near 0 and 1 the same b does less. SparseMixer: b also decides which
//          experts compete.
//          The wish to prefer: it leaves a token that wants another expert badly its choice.
//   mute   l_e = −∞: never chosen, the next best takes its place; scores of softmax routers are over the rest.
//   drop   chosen as usual, then given up: its weight goes to the token's other choices, in proportion.
//   force  l_e = max(l_e, the largest of the token's l), and chosen before all others, whatever correction bias and
//          groups say: its weight is at least a best expert's (as SteerMoE activates: Fayyaz et al. 2025).
//   count  another k; of it, with mass < 1, as few of the first choices as have that share of the weight of all k.
//
// A bias is applied before force. Where experts have a capacity, it counts after the choice, whoever made it.
struct SteeringProfile {
    struct Count {
        int top_k = 0;   // 0: the model's
        float mass = 1;  // (0, 1]
        friend bool operator==(const Count&, const Count&) = default;
    };
    std::string name = {};  // says nothing about routing
    std::map<moe::ExpertId, float> bias = {};
    std::set<moe::ExpertId> mute = {}, drop = {}, force = {};
    Count count = {};  // of layers that are not in layer_count
    std::map<int, Count> layer_count = {};

    bool empty() const;
    // Everything wished for by either; where both give a number, the later one's.
    void merge(const SteeringProfile& later);

    // As they are written on a command line, comma-separated: "3.17=+0.5,4.1=-2"; "3.17,4.1"; "2", "80%", "4:80%" for
    // all layers, "3=2" for one.
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
// Of all but the name; empty for an empty profile.
std::string hash_of(const SteeringProfile& profile);
std::string summary(const SteeringProfile& profile);  // "2 biases, 1 muted, 4 experts a token"

// Throws Error, with the facts of the layer, for an expert that is not there, and for what no token could satisfy:
// too few left to choose from, more forced than chosen, or forced out of more groups than are used.
void check(const SteeringProfile& profile, const ModelSpec& spec);

// The words of profiles and flags.
// The whole text, which may begin with '+'. False when it is none.
template <typename Number>
bool read_number(std::string_view text, Number& value) {
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// These throw Error that begins with `where`.
moe::ExpertId expert_id(std::string_view text, std::string_view where);          // "3.17"
SteeringProfile::Count count_of(std::string_view text, std::string_view where);  // "4", "80%", "4:80%"

std::string to_string(moe::ExpertId id);
std::string to_string(const SteeringProfile::Count& count);

}  // namespace gremium::hooks
