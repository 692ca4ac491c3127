#include "moe/hook.h"

#include <algorithm>
#include <cmath>

namespace gremium::moe {
namespace {

void unite(std::vector<int32_t>& experts, const std::vector<int32_t>& others) {
    for (const int32_t e : others)
        if (std::ranges::find(experts, e) == experts.end()) experts.push_back(e);
}

}  // namespace

void SelectionRules::merge(const SelectionRules& other) {
    unite(forced, other.forced);
    unite(dropped, other.dropped);
    // A NaN is kept here and rejected later.
    if (!std::isnan(mass) && !(mass <= other.mass)) mass = other.mass;
}

void HookChain::before_selection(const BeforeSelection& s) {
    for (RoutingHook* hook : hooks_) {
        SelectionRules rules;
        hook->before_selection({s.layer, s.batch, s.experts, s.logits_TE, s.top_k, rules});
        s.rules.merge(rules);
    }
}

void HookChain::after_selection(const AfterSelection& s) {
    for (RoutingHook* hook : hooks_) hook->after_selection(s);
}

void HookChain::contributes(const Contribution& c) {
    for (RoutingHook* hook : hooks_) hook->contributes(c);
}

std::string HookChain::fingerprint() const {
    std::string all;
    for (const RoutingHook* hook : hooks_) all += hook->fingerprint();
    return all;
}

}  // namespace gremium::moe
