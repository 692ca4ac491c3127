#include <gremium/steering.hpp>

#include <utility>

#include "api/access.h"
#include "base/error.h"

namespace gremium {

const hooks::SteeringProfile& api::Access::settings(const SteeringProfile& profile) {
    static const hooks::SteeringProfile none;
    return profile.profile_ ? profile.profile_->settings : none;
}

namespace {

using Settings = hooks::SteeringProfile;

Settings::Count count_of(int top_k, float mass) {
    if (top_k < 0) fail("steering: {} experts per token, expected at least 1, or 0 for the model's number", top_k);
    if (!(mass > 0 && mass <= 1)) fail("steering: a mass of {}, expected above 0 and at most 1", mass);
    return {.top_k = top_k, .mass = mass};
}

}  // namespace

inline namespace v0 {

// The record to change, copied first so that other copies of the profile stay as they are.
api::Profile& SteeringProfile::own() {
    auto own = std::make_shared<api::Profile>(api::Profile{api::Access::settings(*this)});
    profile_ = own;
    return *own;
}

SteeringProfile SteeringProfile::parse(std::string_view toml, const std::string& source) {
    SteeringProfile profile;
    profile.own().settings = hooks::parse_profile(toml, source);
    return profile;
}

SteeringProfile SteeringProfile::read(const std::string& path) {
    SteeringProfile profile;
    profile.own().settings = hooks::read_profile(path);
    return profile;
}

SteeringProfile& SteeringProfile::bias(int layer, int expert, float value) {
    if (!std::isfinite(value)) fail("steering: a bias of {} for expert {}.{}, expected a number", value, layer, expert);
    own().settings.bias[{layer, expert}] = value;
    return *this;
}
SteeringProfile& SteeringProfile::mute(int layer, int expert) {
    own().settings.mute.insert({layer, expert});
    return *this;
}
SteeringProfile& SteeringProfile::drop(int layer, int expert) {
    own().settings.drop.insert({layer, expert});
    return *this;
}
SteeringProfile& SteeringProfile::force(int layer, int expert) {
    own().settings.force.insert({layer, expert});
    return *this;
}
SteeringProfile& SteeringProfile::experts_per_token(int top_k, float mass) {
    const Settings::Count count = count_of(top_k, mass);
    own().settings.count = count;
    return *this;
}
SteeringProfile& SteeringProfile::experts_per_token_of_layer(int layer, int top_k, float mass) {
    const Settings::Count count = count_of(top_k, mass);
    own().settings.layer_count[layer] = count;
    return *this;
}
SteeringProfile& SteeringProfile::merge(const SteeringProfile& later) {
    const Settings settings = api::Access::settings(later);
    own().settings.merge(settings);
    return *this;
}

bool SteeringProfile::empty() const { return api::Access::settings(*this).empty(); }
std::string SteeringProfile::name() const { return api::Access::settings(*this).name; }
std::string SteeringProfile::toml() const { return hooks::to_toml(api::Access::settings(*this)); }
std::string SteeringProfile::hash() const { return hooks::hash_of(api::Access::settings(*this)); }
std::string SteeringProfile::summary() const { return hooks::summary(api::Access::settings(*this)); }

void SteeringProfile::check(const Engine& engine) const {
    hooks::check(api::Access::settings(*this), api::Access::model(engine)->spec);
}

}  // namespace v0
}  // namespace gremium
