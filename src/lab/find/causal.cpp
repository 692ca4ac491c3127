#include "lab/find/causal.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "base/error.h"
#include "base/random.h"
#include "hooks/steering.h"

namespace gremium::lab {
namespace {

using moe::ExpertId;
using Experts = std::set<ExpertId>;

double load_of(const Finding& f) { return (f.share_for + f.share_against) / 2; }

Effect effect(const Comparison& a, const Comparison& b, size_t i) {
    return {a.variants[i].loss - a.original.loss, b.variants[i].loss - b.original.loss, a.variants[i].kl,
            b.variants[i].kl};
}

}  // namespace

Effect mean(const std::vector<Effect>& effects) {
    Effect sum;
    for (const Effect& e : effects) {
        const double n = static_cast<double>(effects.size());
        sum.loss_for += e.loss_for / n;
        sum.loss_against += e.loss_against / n;
        sum.kl_for += e.kl_for / n;
        sum.kl_against += e.kl_against / n;
    }
    return sum;
}

double chance(double loss_for, const std::vector<Effect>& random) {
    const auto as_much = std::ranges::count_if(random, [&](const Effect& e) { return e.loss_for >= loss_for; });
    return static_cast<double>(1 + as_much) / static_cast<double>(1 + random.size());
}

Experts draw_like(const Experts& experts, const std::vector<Finding>& load, uint64_t seed) {
    Random random(seed, 0x11);
    Experts drawn;
    for (const ExpertId id : experts) {
        const auto own = std::ranges::find(load, id, &Finding::id);
        if (own == load.end()) fail("expert {}.{} has no load", id.layer, id.expert);
        std::vector<const Finding*> others;
        for (const Finding& f : load)
            if (f.id.layer == id.layer && !experts.contains(f.id) && !drawn.contains(f.id)) others.push_back(&f);
        if (others.empty())
            fail("layer {} has no other experts left to compare with: take fewer than half of a layer", id.layer);
        const auto distance = [&](const Finding* f) { return std::abs(load_of(*f) - load_of(*own)); };
        std::ranges::stable_sort(others, std::less(), distance);
        const size_t near = std::min(others.size(), std::max<size_t>(4, others.size() / 4));
        drawn.insert(others[random.below(near)]->id);
    }
    return drawn;
}

CausalCheck check_causally(const Model& model, const Experts& experts, const std::vector<Finding>& load,
                           const data::Windows& text_for, const data::Windows& text_against,
                           const CausalOptions& options) {
    std::deque<hooks::SteeringHook> hooks;
    const auto take_away = [&](const Experts& some) {
        hooks.emplace_back(hooks::SteeringProfile{.mute = some}, model.spec);
        hooks.emplace_back(hooks::SteeringProfile{.drop = some}, model.spec);
    };
    take_away(experts);
    for (int i = 0; i < options.draws; ++i)
        take_away(draw_like(experts, load, options.seed + static_cast<uint64_t>(i)));

    std::vector<Variant> variants;
    for (hooks::SteeringHook& hook : hooks) variants.push_back({&model, &hook});
    const Comparison a = compare({&model}, variants, text_for, options.arithmetic, options.between),
                     b = compare({&model}, variants, text_against, options.arithmetic, options.between);

    CausalCheck result{.loss_for = a.original.loss,
                       .loss_against = b.original.loss,
                       .muted = effect(a, b, 0),
                       .dropped = effect(a, b, 1)};
    for (size_t i = 2; i < variants.size(); i += 2) {
        result.random_muted.push_back(effect(a, b, i));
        result.random_dropped.push_back(effect(a, b, i + 1));
    }
    return result;
}

}  // namespace gremium::lab
