#include <gremium/steering.hpp>

#include <utility>

#include "api/access.h"
#include "base/error.h"

namespace gremium {

const hooks::SteeringProfile& api::Access::wishes(const SteeringProfile& profile) {
    static const hooks::SteeringProfile none;
    return profile.profile_ ? profile.profile_->wishes : none;
}

namespace {

using Wishes = hooks::SteeringProfile;

Wishes::Count count_of(int top_k, float mass) {
    if (top_k < 0) fail("steering: {} experts per token, expected at least 1, or 0 for the model's number", top_k);
    if (!(mass > 0 && mass <= 1)) fail("steering: a mass of {}, expected above 0 and at most 1", mass);
    return {.top_k = top_k, .mass = mass};
}

}  // namespace

inline namespace v0 {

// The record to change: this profile's alone from here on.
api::Profile& SteeringProfile::own() {
    auto own = std::make_shared<api::Profile>(api::Profile{api::Access::wishes(*this)});
    profile_ = own;
    return *own;
}

SteeringProfile SteeringProfile::parse(std::string_view toml, const std::string& source) {
    SteeringProfile profile;
    profile.own().wishes = hooks::parse_profile(toml, source);
    return profile;
}

SteeringProfile SteeringProfile::read(const std::string& path) {
    SteeringProfile profile;
    profile.own().wishes = hooks::read_profile(path);
    return profile;
}

SteeringProfile& SteeringProfile::bias(int layer, int expert, float value) {
    if (!std::isfinite(value)) fail("steering: a bias of {} for expert {}.{}, expected a number", value, layer, expert);
    own().wishes.bias[{layer, expert}] = value;
    return *this;
}
SteeringProfile& SteeringProfile::mute(int layer, int expert) {
    own().wishes.mute.insert({layer, expert});
    return *this;
}
SteeringProfile& SteeringProfile::drop(int layer, int expert) {
    own().wishes.drop.insert({layer, expert});
    return *this;
}
SteeringProfile& SteeringProfile::force(int layer, int expert) {
    own().wishes.force.insert({layer, expert});
    return *this;
}
SteeringProfile& SteeringProfile::experts_per_token(int top_k, float mass) {
    const Wishes::Count count = count_of(top_k, mass);
    own().wishes.count = count;
    return *this;
}
SteeringProfile& SteeringProfile::experts_per_token_of_layer(int layer, int top_k, float mass) {
    const Wishes::Count count = count_of(top_k, mass);
    own().wishes.layer_count[layer] = count;
    return *this;
}
SteeringProfile& SteeringProfile::merge(const SteeringProfile& later) {
    const Wishes wishes = api::Access::wishes(later);
    own().wishes.merge(wishes);
    return *this;
}

bool SteeringProfile::empty() const { return api::Access::wishes(*this).empty(); }
std::string SteeringProfile::name() const { return api::Access::wishes(*this).name; }
std::string SteeringProfile::toml() const { return hooks::to_toml(api::Access::wishes(*this)); }
std::string SteeringProfile::hash() const { return hooks::hash_of(api::Access::wishes(*this)); }
std::string SteeringProfile::summary() const { return hooks::summary(api::Access::wishes(*this)); }

void SteeringProfile::check(const Engine& engine) const {
    hooks::check(api::Access::wishes(*this), api::Access::model(engine)->spec);
}

}  // namespace v0
}  // namespace gremium
