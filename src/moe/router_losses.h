// The balance terms of a routing decision, and the gradient of everything routing returns. For router.cpp.
#pragma once

#include <cmath>
#include <span>

#include "moe/router.h"

namespace gremium::moe {

// Keeps a division by a sum of vanished scores finite (as DeepSeek-V3's own code does); far below any other sum.
inline constexpr float tiny_score = 1e-20f;

inline float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

// out = softmax(in), possibly in place; returns logsumexp(in).
float softmax(std::span<const float> in, std::span<float> out);

// What the backward of a routing decision needs. share_TE: the part of a token's scores that each expert has (softmax, or
// sigmoids over their sum); its mean over tokens is P_e of the balance loss.
struct RoutingRecord {
    RouterPolicy policy;
    int top_k;
    std::vector<int32_t> ids_Tk;
    std::vector<int64_t> load_E;
    ops::Var logits_TE, weights_Tk, balance_loss, z_loss;
    Tensor share_TE, logsumexp_T;

    void compute_losses();  // shares, logsumexps and both losses
    void backward(ops::Graph& g) const;

  private:
    void token_backward(int64_t t, std::span<float> dlogits_E, std::span<float> score_k) const;
    void through_weights(int64_t t, std::span<float> dlogits_E, std::span<float> score_k) const;
    void through_balance(int64_t t, std::span<float> dlogits_E) const;
    void through_z(int64_t t, std::span<float> dlogits_E) const;
    std::span<const float> logits(int64_t t) const;
    std::span<float> share(int64_t t) const;
};

}  // namespace gremium::moe
