// route: scores → k experts and weights a token. The policy is a record; nothing here knows an architecture.
#pragma once

#include <cstdint>
#include <vector>

#include "moe/hook.h"
#include "moe/policy.h"
#include "ops/ops.h"

namespace gremium::moe {

// What routing decided for T tokens. ids and weights are row-major [T, k], by descending selection score; ties go to
// the lower expert. A dropped choice has id −1 and weight 0; those that a hook's rules gave up are last.
struct Routing {
    int top_k = 0;
    std::vector<int32_t> ids_Tk;
    ops::Var weights_Tk = nullptr;    // f32, differentiable
    std::vector<int64_t> load_E;      // tokens that chose each expert; it received fewer when its capacity dropped some
    ops::Var balance_loss = nullptr;  // scalar: E · Σ_e f_e · P_e, f_e = load_e / T (Σ f = k), P_e = mean score share
        // (Fedus et al. 2021 eq. 4; as Hugging Face's load_balancing_loss_func, one layer)
    ops::Var z_loss = nullptr;  // scalar: mean over tokens of logsumexp(logits)² (Zoph et al. 2022)
};

// x_TD · routerᵀ in f32 (+ router bias), then the policy. correction_E: f32 [E] or empty. `hook` may be null: it then costs
// nothing. Losses are computed when the graph trains.
struct RouteInputs {
    const ops::Weight& router_ED;
    const ops::Weight& bias_E;  // empty Weight: none
    TensorView correction_E;    // empty: none; never gets a gradient
    RoutingHook* hook = nullptr;
    const TokenBatch* batch = nullptr;
    uint64_t noise_seed = 0;  // of random second choices: another one for every step
    int layer = 0;
};
Routing route(ops::Graph& g, ops::Var x_TD, const RouterPolicy& policy, const RouteInputs& inputs);

// Auxiliary-loss-free balancing (Wang et al. 2024; DeepSeek-V3): b_e += rate · sign(mean load − load_e).
void update_correction(Tensor correction_E, const std::vector<int64_t>& load_E, float rate);

// MaxVio = max_e load_e / mean load − 1 (Wang et al. 2024).
double max_violation(const std::vector<int64_t>& load_E);

}  // namespace gremium::moe
