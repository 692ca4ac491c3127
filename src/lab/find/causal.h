// Proof by intervention: what happens to two kinds of text when experts are taken away, beside chance.
#pragma once

#include <set>
#include <vector>

#include "hooks/steering_profile.h"
#include "lab/find/compare.h"
#include "lab/find/find.h"

namespace gremium::lab {

// Changes of the mean loss in nats a token, and KL from the whole model.
struct Effect {
    double loss_for = 0, loss_against = 0;
    double kl_for = 0, kl_against = 0;
};

struct CausalCheck {
    double loss_for = 0, loss_against = 0;  // of the whole model
    Effect muted = {};                      // the next best experts take their places
    Effect dropped = {};                    // the token's other experts get their weight
    // as many experts of the same layers with a similar load, drawn anew each time
    std::vector<Effect> random_muted = {};
    std::vector<Effect> random_dropped = {};
};
Effect mean(const std::vector<Effect>& effects);
// The share of chance: (1 + draws that do at least as much to the target) / (1 + draws).
double chance(double loss_for, const std::vector<Effect>& random);

struct CausalOptions {
    int draws = 20;
    uint64_t seed = 1;
    engine::Arithmetic arithmetic = engine::Arithmetic::exact;
    std::function<void()> between = {};  // as compare()'s
};

// `load` gives each expert's share of tokens of both texts together (Finding's shares); throws Error where the experts
// cannot all be muted.
CausalCheck check_causally(const Model& model, const std::set<moe::ExpertId>& experts, const std::vector<Finding>& load,
                           const data::Windows& text_for, const data::Windows& text_against,
                           const CausalOptions& options = {});

// For each expert another of its layer that is none of them, drawn from the quarter (at least four) of those left
// whose load is nearest.
std::set<moe::ExpertId> draw_like(const std::set<moe::ExpertId>& experts, const std::vector<Finding>& load,
                                  uint64_t seed);

}  // namespace gremium::lab
