// A steering profile as TOML, which is checked against a model and written again; after a zero byte, what flags may
// say.
#include "base/error.h"
#include "fuzz/target.h"
#include "hooks/steering_profile.h"

namespace gremium::fuzz {
namespace {

const ModelSpec& spec() {
    static const ModelSpec small = [] {
        MoeSpec moe;
        moe.router.experts = 4;
        moe.router.top_k = 2;
        ModelSpec result;
        result.layers.resize(2);
        for (LayerSpec& layer : result.layers) layer.feed_forward = moe;
        return result;
    }();
    return small;
}

}  // namespace

void run(std::span<const std::byte> input) {
    const auto parts = parts_of(input, 4);
    hooks::SteeringProfile profile = hooks::parse_profile(parts[0], "profile");
    const hooks::SteeringProfile again = hooks::parse_profile(hooks::to_toml(profile), "written");
    require(again == profile && hooks::hash_of(again) == hooks::hash_of(profile));
    (void)hooks::summary(profile);
    if (!parts[1].empty()) profile.add_bias(parts[1]);
    if (!parts[2].empty()) hooks::SteeringProfile::add_experts(profile.mute, parts[2], "--mute");
    if (!parts[3].empty()) profile.add_count(parts[3]);
    profile.merge(again);
    hooks::check(profile, spec());
}

}  // namespace gremium::fuzz
