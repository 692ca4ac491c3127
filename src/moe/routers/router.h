// route: scores → k experts and their weights for each token. The policy is a record; nothing here knows an
// architecture.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "moe/hook.h"
#include "moe/policy.h"
#include "moe/routers/routing.h"
#include "ops/graph.h"

namespace gremium::moe {

// x_TD · routerᵀ in f32 (+ router bias), then the policy. Losses are computed when the graph trains.
struct RouteInputs {
    const ops::Weight& router_ED;
    // Empty: no router bias.
    const ops::Weight& bias_E;
    // f32 [E]; empty: none. It never gets a gradient.
    TensorView correction_E;
    // The sequence of each token, whose tokens are contiguous; an expert's capacity applies to each sequence by itself.
    // Empty: all tokens are one sequence.
    std::span<const int32_t> sequences = {};
    // The sequences that have a hook, in the order of their rows. The others cost nothing and get the same bits as
    // without any hook.
    std::span<const HookedRows> hooked = {};
    // For random second choices; a different one for every step.
    uint64_t noise_seed = 0;
    int layer = 0;
    // What the router sees instead of the experts' input; null: that.
    ops::Var reads_TD = nullptr;
};
Routing route(ops::Graph& g, ops::Var x_TD, const RouterPolicy& policy, const RouteInputs& inputs);

// Auxiliary-loss-free balancing (Wang et al. 2024; DeepSeek-V3): b_e += rate · sign(mean load − load_e).
void update_correction(Tensor correction_E, const std::vector<int64_t>& load_E, float rate);

// MaxVio = max_e load_e / mean load − 1 (Wang et al. 2024).
double max_violation(const std::vector<int64_t>& load_E);

}  // namespace gremium::moe
