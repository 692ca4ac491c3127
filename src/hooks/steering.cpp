#include "hooks/steering.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace gremium::hooks {

SteeringHook::SteeringHook(SteeringProfile profile, const ModelSpec& spec)
    : profile_(std::move(profile)), hash_(hash_of(profile_)), layers_(spec.layers.size()) {
    check(profile_, spec);
    const auto layer_of = [&](moe::ExpertId id) -> Layer& { return layers_[static_cast<size_t>(id.layer)]; };
    for (const auto& [id, value] : profile_.bias) layer_of(id).bias.emplace_back(id.expert, value);
    for (const moe::ExpertId id : profile_.mute) layer_of(id).muted.push_back(id.expert);
    for (const moe::ExpertId id : profile_.drop) layer_of(id).rules.dropped.push_back(id.expert);
    for (const moe::ExpertId id : profile_.force) layer_of(id).rules.forced.push_back(id.expert);
    for (size_t l = 0; l < layers_.size(); ++l) {
        const auto own = profile_.layer_count.find(static_cast<int>(l));
        const SteeringProfile::Count& count = own == profile_.layer_count.end() ? profile_.count : own->second;
        layers_[l].top_k = count.top_k;
        layers_[l].rules.mass = count.mass;
    }
}

void SteeringHook::before_selection(const moe::BeforeSelection& s) {
    const Layer& layer = layers_[static_cast<size_t>(s.layer)];
    const auto experts = static_cast<size_t>(s.experts);
    if (layer.changes_logits())
        for (size_t at = 0; at < s.logits_TE.size(); at += experts) steer(s.logits_TE.subspan(at, experts), layer);
    s.rules.merge(layer.rules);
    if (layer.top_k) s.top_k = layer.top_k;
}

void SteeringHook::steer(std::span<float> logits_E, const Layer& layer) {
    for (const auto& [expert, value] : layer.bias) logits_E[static_cast<size_t>(expert)] += value;
    for (const int expert : layer.muted)
        logits_E[static_cast<size_t>(expert)] = -std::numeric_limits<float>::infinity();
    if (layer.rules.forced.empty()) return;
    const float best = std::ranges::max(logits_E);
    for (const int32_t expert : layer.rules.forced) logits_E[static_cast<size_t>(expert)] = best;
}

}  // namespace gremium::hooks
