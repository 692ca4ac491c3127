// The balance terms of a routing decision, and the gradient of everything that routing returns. For router.cpp.
#pragma once

#include <span>
#include <vector>

#include "moe/routers/router.h"

namespace gremium::moe {

// Keeps a division by a sum of vanished scores finite (as DeepSeek-V3's own code does); far below any other sum.
inline constexpr float tiny_score = 1e-20f;

// softmax of a few numbers in place.
void softmax(std::span<float> x);

// share_E: the softmax of a token's SparseMixer choice j (router.h); 0 for experts that do not compete.
void sparsemixer_shares(std::span<float> share_E, std::span<const float> logits_E, std::span<const int32_t> ids_k,
                        size_t j, float epsilon);

// What the weights of a token's choices are divided by. ids_k: −1 for dropped ones.
float divisor(const RouterPolicy& policy, std::span<const float> score_k, std::span<const int32_t> ids_k);

struct RoutingRecord {
    RouterPolicy policy;
    int top_k;
    std::vector<int32_t> chosen_Tk;  // before any was dropped
    std::vector<int32_t> ids_Tk;
    std::vector<int64_t> load_E;
    ops::Var logits_TE, weights_Tk, balance_loss, z_loss;
    TensorView softmax_TE;
    TensorView score_TE;  // what weights are made of: softmax, sigmoids or (softmax of the selected or near) logits
    Tensor logsumexp_T, score_sum_T;

    void compute_losses();  // and the logsumexps and sums of scores
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

}  // namespace gremium::moe
