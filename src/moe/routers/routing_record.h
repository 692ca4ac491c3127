// The balance losses of a routing decision, and the gradients of everything that routing returns.
#pragma once

#include <span>
#include <vector>

#include "moe/policy.h"
#include "moe/routers/routing.h"

namespace gremium::moe {

struct RoutingRecord {
    RouterPolicy policy;
    int top_k;
    std::vector<int32_t> chosen_Tk;  // before choices were dropped
    std::vector<int32_t> ids_Tk;
    std::vector<int64_t> load_E;
    ops::Var logits_TE, weights_Tk, balance_loss, z_loss;
    TensorView softmax_TE;
    // What weights are computed from (scores.h): the softmax, sigmoids, or logits for a softmax over some of the
    // experts.
    TensorView score_TE;
    Tensor logsumexp_T, score_sum_T;

    // Also computes the logsumexps and sums of scores.
    void compute_losses();
    void backward(ops::Graph& g) const;

  private:
    std::span<const int32_t> of_token(const std::vector<int32_t>& ids, int64_t t) const {
        return std::span(ids).subspan(static_cast<size_t>(t * top_k), static_cast<size_t>(top_k));
    }
    void token_backward(int64_t t, std::span<float> dlogits_E) const;
    void through_weights(int64_t t, std::span<float> dlogits_E) const;
    void scores(int64_t t, std::span<float> score_k) const;
    void through_scores(int64_t t, std::span<float> dlogits_E, std::span<const float> score_k,
                        std::span<const float> dscore_k) const;
    void through_balance(int64_t t, std::span<float> dlogits_E) const;
    void through_z(int64_t t, std::span<float> dlogits_E) const;
};

// Adds the balance losses to a decision in which all tokens have top_k choices, and records its gradient. score_TE:
// what weights were computed from (scores.h); chosen_Tk: the choices before some were dropped.
void add_losses(ops::Graph& g, const RouterPolicy& policy, ops::Var logits_TE, Tensor score_TE,
                std::vector<int32_t> chosen_Tk, Routing& routing);

}  // namespace gremium::moe
