// A causal test by intervention: how losses of two kinds of text change when experts are removed, compared with random
// experts.
#pragma once

#include <set>
#include <vector>

#include "hooks/steering_profile.h"
#include "lab/find/compare.h"
#include "lab/find/find.h"

namespace gremium::lab {

// Changes of the mean loss, and KL divergence from the whole model, in nats per token.
struct Effect {
    double loss_for = 0, loss_against = 0;
    double kl_for = 0, kl_against = 0;
};

struct CausalCheck {
    double loss_for = 0, loss_against = 0;  // of the whole model, in nats per token
    Effect muted = {};                      // the next best experts take their places
    Effect dropped = {};                    // the token's other experts get their weight
    // One entry per draw of as many random experts, of the same layers and with a similar load.
    std::vector<Effect> random_muted = {};
    std::vector<Effect> random_dropped = {};
};
Effect mean(const std::vector<Effect>& effects);
// The p-value of the permutation test: (1 + draws with at least this effect on the target) / (1 + draws).
double chance(double loss_for, const std::vector<Effect>& random);

struct CausalOptions {
    int draws = 20;
    uint64_t seed = 1;
    engine::Arithmetic arithmetic = engine::Arithmetic::exact;
    std::function<void()> between = {};  // as compare()'s
};

// `load` gives each expert's share of the tokens of both texts (Finding's shares). Throws Error if the experts cannot
// all be muted.
CausalCheck check_causally(const Model& model, const std::set<moe::ExpertId>& experts, const std::vector<Finding>& load,
                           const data::Windows& text_for, const data::Windows& text_against,
                           const CausalOptions& options = {});

// Draws for each expert another one of its layer that is not in `experts`, from the quarter of the remaining experts
// (at least four) whose load is nearest.
std::set<moe::ExpertId> draw_like(const std::set<moe::ExpertId>& experts, const std::vector<Finding>& load,
                                  uint64_t seed);

}  // namespace gremium::lab
