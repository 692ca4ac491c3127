// The balance terms of a routing decision, and the gradient of everything that routing returns. For router.cpp.
#pragma once

#include <span>
#include <vector>

#include "moe/router.h"

namespace gremium::moe {

// Keeps a division by a sum of vanished scores finite (as DeepSeek-V3's own code does); far below any other sum.
inline constexpr float tiny_score = 1e-20f;

// softmax of a few numbers in place.
void softmax(std::span<float> x);

struct RoutingRecord {
    RouterPolicy policy;
    int top_k;
    std::vector<int32_t> ids_Tk;
    std::vector<int64_t> load_E;
    ops::Var logits_TE, weights_Tk, balance_loss, z_loss;
    TensorView softmax_TE;
    TensorView score_TE;  // what weights are made of: softmax, sigmoids or (softmax of the selected) logits
    Tensor logsumexp_T, score_sum_T;

    void compute_losses();  // and the logsumexps and sums of scores
    void backward(ops::Graph& g) const;

  private:
    void token_backward(int64_t t, std::span<float> dlogits_E, std::span<float> score_k) const;
    void through_weights(int64_t t, std::span<float> dlogits_E, std::span<float> score_k) const;
    void through_balance(int64_t t, std::span<float> dlogits_E) const;
    void through_z(int64_t t, std::span<float> dlogits_E) const;
};

}  // namespace gremium::moe
