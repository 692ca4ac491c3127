// route: scores → k experts and weights a token. The policy is a record; nothing here knows an architecture.
#pragma once

#include <cstdint>
#include <vector>

#include "moe/hook.h"
#include "ops/ops.h"

namespace gremium::moe {

struct RouterPolicy {
    int experts = 0;
    int top_k = 0;
    // How logits become scores: softmax over all experts; softmax over the selected k only; sigmoid of each; SparseMixer
    // (Liu et al. 2023; Phi-3.5-MoE): each choice's softmax over those not yet chosen whose logit s is near the best
    // one m, (m − s) <= 2·sparse_epsilon·max(|s|, m).
    enum class Score : uint8_t { softmax, softmax_selected, sigmoid, sparsemixer } score = Score::softmax;
    bool correction_bias =
        false;  // selection by score + bias, weights by score alone (DeepSeek-V3, auxiliary-loss-free)
    bool normalise = false;        // selected weights are divided by their sum
    float scale = 1;               // then multiplied by this
    float sparse_epsilon = 0;      // of SparseMixer
    bool weight_on_input = false;  // an expert computes of weight · x, and its output counts once (Llama 4)
    // Groups of neighbouring experts (DeepSeek): only experts of the `groups_used` best of `groups` equal groups can be
    // chosen. A group is as good as its best selection score (V2), or as the sum of its two best (V3).
    enum class GroupScore : uint8_t { best, two_best } group_score = GroupScore::best;
    int groups = 1, groups_used = 1;
    // The most choices an expert takes of one call, or of each sequence in it where those are told apart: so many always;
    // when training this factor times its even share k·T/E, rounded up; 0: all. What overflows is dropped (id −1, weight 0).
    // First choices come before second ones, tokens in their order (Lepikhin et al.: GShard, 2020; Fedus et al.: Switch
    // Transformers, 2021).
    int capacity = 0;
    float capacity_factor = 0;
    bool normalise_dropped = false;  // dropped choices count in the sum that weights are divided by
    // The second choice where k = 2: always the second best; kept with probability 2·weight (GShard); or drawn from the
    // softmax over the others (NLLB's "sampling").
    enum class Second : uint8_t { best, likely, sampled } second = Second::best;

    friend bool operator==(const RouterPolicy&, const RouterPolicy&) = default;
};

// What routing decided for T tokens. ids and weights are row-major [T, k], by descending selection score; ties go to
// the lower expert. A dropped choice has id −1 and weight 0; those that a hook's rules gave up are last.
struct Routing {
    int top_k = 0;
    std::vector<int32_t> ids_Tk;
    ops::Var weights_Tk = nullptr;  // f32, differentiable
    std::vector<int64_t>
        load_E;  // tokens that chose each expert; it received fewer when its capacity dropped some
    ops::Var balance_loss =
        nullptr;  // scalar: E · Σ_e f_e · P_e, f_e = load_e / T (Σ f = k), P_e = mean score share
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
