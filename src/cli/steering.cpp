#include "cli/steering.h"

namespace gremium::cli {

using hooks::SteeringProfile;

void add_steering(Command command, Steering& steering) {
    const auto add = [&](const char* flag, std::vector<std::string>& values, const char* help) {
        command.option(flag, values, help).one_value().group("Steering");
    };
    add("--bias", steering.bias,
        "prefer or avoid experts by adding to their router logits: LAYER.EXPERT=+0.5,… (try this first: the options "
        "below are harder, and harm some models)");
    add("--mute", steering.mute, "never choose these experts, but the next best: 3.17,4.1");
    add("--drop", steering.drop,
        "leave these experts out where they are chosen; the token's others share their weight");
    add("--force", steering.force, "always choose these experts");
    add("--num-experts", steering.num_experts,
        "experts per token: K, a share of the weight such as 80%, or K:80%; LAYER=… for one layer");
    add("--profile", steering.profiles, "a TOML file with these options; several files are merged");
}

void print_profile_reference() {
    for (const hooks::ProfileKey& key : hooks::profile_reference()) {
        fmt::print("# {}; {}\n", key.help, key.values);
        if (key.table)
            fmt::print("[{}]\n{}\n", key.key, key.example);
        else
            fmt::print("{} = {}\n", key.key, key.example);
    }
}

std::unique_ptr<hooks::SteeringHook> make_steering(const Steering& steering, const ModelSpec& spec) {
    hooks::SteeringProfile profile;
    for (const std::string& file : steering.profiles) profile.merge(hooks::read_profile(file));
    for (const std::string& text : steering.bias) profile.add_bias(text);
    for (const std::string& text : steering.mute) hooks::SteeringProfile::add_experts(profile.mute, text, "--mute");
    for (const std::string& text : steering.drop) hooks::SteeringProfile::add_experts(profile.drop, text, "--drop");
    for (const std::string& text : steering.force) hooks::SteeringProfile::add_experts(profile.force, text, "--force");
    for (const std::string& text : steering.num_experts) profile.add_count(text);
    if (profile.empty()) return nullptr;
    return std::make_unique<hooks::SteeringHook>(std::move(profile), spec);
}

void announce(const hooks::SteeringHook* hook) {
    if (!hook) return;
    const hooks::SteeringProfile& profile = hook->profile();
    fmt::print(stderr, "steering {}{}{}: {}\n", profile.name, profile.name.empty() ? "" : " ",
               hook->fingerprint().substr(0, 12), hooks::summary(profile));
}

void add_to_report(nlohmann::ordered_json& report, const hooks::SteeringHook* hook) {
    if (hook) report["steering"] = {{"name", hook->profile().name}, {"hash", hook->fingerprint()}};
}

}  // namespace gremium::cli
