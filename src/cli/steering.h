// The flags that steer routing, for the commands that run a model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "hooks/steering.h"

namespace gremium::cli {

struct Steering {
    std::vector<std::string> profiles, bias, mute, drop, force, num_experts;
};

void add_steering(Command command, Steering& steering);
void print_profile_reference();  // every key of a profile with what it can be, as a profile
// Files in order, then flags. Null when nothing is wished for.
std::unique_ptr<hooks::SteeringHook> make_steering(const Steering& steering, const ModelSpec& spec);
// One line on stderr: name, hash and what is steered. Nothing for null.
void announce(const hooks::SteeringHook* hook);
// Adds "steering": {name, hash} to a report; nothing for null.
void add_to_report(nlohmann::ordered_json& report, const hooks::SteeringHook* hook);

}  // namespace gremium::cli
