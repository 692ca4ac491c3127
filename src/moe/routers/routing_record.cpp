#include "moe/routers/routing_record.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/parallel.h"
#include "moe/routers/scores.h"

namespace gremium::moe {
namespace {

using Score = RouterPolicy::Score;

constexpr int64_t tokens_a_chunk = 64;

std::span<const float> row(TensorView t, int64_t i) {
    return {reinterpret_cast<const float*>(t.row(i)), static_cast<size_t>(t.cols())};
}

float scalar(TensorView t) { return *t.f32(); }

}  // namespace

// The shares of a token, whose means over the tokens are P_e: for sigmoids the scores divided by their sum, otherwise
// the softmax.
void RoutingRecord::compute_losses() {
    const int64_t tokens = logits_TE->value.rows();
    const size_t experts = load_E.size();
    const auto chunks = static_cast<size_t>((tokens + tokens_a_chunk - 1) / tokens_a_chunk);
    std::vector<double> partial_balance(chunks), partial_z(chunks);
    parallel_chunks(tokens, tokens_a_chunk, [&](int64_t begin, int64_t end) {
        std::vector<float> shares(experts);
        double z = 0, balance = 0;
        for (int64_t t = begin; t < end; ++t) {
            const std::span<const float> p = row(softmax_TE, t), logits = row(logits_TE->value, t);
            const auto top = static_cast<size_t>(std::ranges::max_element(p) - p.begin());
            const float lse = logsumexp_T.f32()[t] = logits[top] - std::log(p[top]);
            z += double{lse} * lse;
            const std::span<const float> part = policy.score == Score::sigmoid ? row(score_TE, t) : p;
            const float sum =
                policy.score == Score::sigmoid ? std::accumulate(part.begin(), part.end(), tiny_score) : 1;
            score_sum_T.f32()[t] = sum;
            for (size_t e = 0; e < experts; ++e) shares[e] += part[e] / sum;
        }
        for (size_t e = 0; e < experts; ++e) balance += shares[e] * static_cast<double>(load_E[e]);
        partial_z[static_cast<size_t>(begin / tokens_a_chunk)] = z;
        partial_balance[static_cast<size_t>(begin / tokens_a_chunk)] = balance;
    });
    const double balance = std::accumulate(partial_balance.begin(), partial_balance.end(), 0.0);
    const double z = std::accumulate(partial_z.begin(), partial_z.end(), 0.0);
    const auto count = static_cast<double>(tokens);
    *balance_loss->value.f32() = static_cast<float>(balance * static_cast<double>(experts) / (count * count));
    *z_loss->value.f32() = static_cast<float>(z / count);
}

void RoutingRecord::backward(ops::Graph& g) const {
    for (const ops::Var v : {weights_Tk, balance_loss, z_loss}) {
        // Makes the gradient f32, whatever type it was contributed in.
        if (v->grad) g.grad_of(v);
    }
    g.fill_grads({logits_TE}, DType::f32, [&](std::span<const Tensor> d) {
        parallel_chunks(logits_TE->value.rows(), tokens_a_chunk, [&](int64_t begin, int64_t end) {
            for (int64_t t = begin; t < end; ++t)
                token_backward(t, {reinterpret_cast<float*>(d[0].row(t)), load_E.size()});
        });
    });
}

void RoutingRecord::token_backward(int64_t t, std::span<float> dlogits_E) const {
    std::ranges::fill(dlogits_E, 0.0f);
    if (weights_Tk->grad) through_weights(t, dlogits_E);
    if (balance_loss->grad) through_balance(t, dlogits_E);
    if (z_loss->grad) through_z(t, dlogits_E);
}

// weight_j = scale · s_j (/ Σ s), where s are the scores of the chosen experts; 0 for dropped choices.
void RoutingRecord::through_weights(int64_t t, std::span<float> dlogits_E) const {
    const std::span<const float> dweights = row(weights_Tk->grad, t);
    std::vector<float> score_k(static_cast<size_t>(top_k)), dscore_k(score_k.size());
    scores(t, score_k);
    const std::span<const int32_t> ids = of_token(ids_Tk, t);
    const auto dweight = [&](size_t j) { return ids[j] < 0 ? 0 : dweights[j]; };
    const float sum = divisor(policy, score_k, ids);
    float mean = 0;
    if (policy.normalise)
        for (size_t j = 0; j < score_k.size(); ++j) mean += dweight(j) * score_k[j] / sum;
    for (size_t j = 0; j < score_k.size(); ++j) {
        const bool counted = ids[j] >= 0 || policy.normalise_dropped;
        dscore_k[j] = policy.scale * (dweight(j) - (counted ? mean : 0)) / sum;
    }
    through_scores(t, dlogits_E, score_k, dscore_k);
}

// The scores from which the weights of token t were computed.
void RoutingRecord::scores(int64_t t, std::span<float> score_k) const {
    const std::span<const float> score_E = row(score_TE, t);
    const std::span<const int32_t> ids = of_token(chosen_Tk, t);
    std::vector<float> share_E(policy.score == Score::sparsemixer ? score_E.size() : 0);
    for (size_t j = 0; j < score_k.size(); ++j) {
        const auto expert = static_cast<size_t>(ids[j]);
        score_k[j] = score_E[expert];
        if (share_E.empty()) continue;
        sparsemixer_shares(share_E, score_E, ids, j, policy.sparse_epsilon);
        score_k[j] = share_E[expert];
    }
    if (policy.score == Score::softmax_selected) softmax(score_k);
}

void RoutingRecord::through_scores(int64_t t, std::span<float> dlogits_E, std::span<const float> score_k,
                                   std::span<const float> dscore_k) const {
    const std::span<const float> score_E = row(score_TE, t);
    const std::span<const int32_t> ids = of_token(chosen_Tk, t);
    std::vector<float> share_E(policy.score == Score::sparsemixer ? score_E.size() : 0);
    float dot = 0;
    for (size_t j = 0; j < score_k.size(); ++j) dot += dscore_k[j] * score_k[j];
    for (size_t j = 0; j < score_k.size(); ++j) {
        const float s = score_k[j];
        float& dlogit = dlogits_E[static_cast<size_t>(ids[j])];
        switch (policy.score) {
            case Score::softmax:
                dlogit += s * dscore_k[j];
                break;
            case Score::softmax_selected:
                dlogit += s * (dscore_k[j] - dot);
                break;
            case Score::sigmoid:
                dlogit += s * (1 - s) * dscore_k[j];
                break;
            // The set of experts that compete counts as a constant.
            case Score::sparsemixer:
                dlogit += s * dscore_k[j];
                sparsemixer_shares(share_E, score_E, ids, j, policy.sparse_epsilon);
                for (size_t e = 0; e < share_E.size(); ++e) dlogits_E[e] -= share_E[e] * s * dscore_k[j];
                break;
        }
    }
    if (policy.score == Score::softmax) {
        for (size_t e = 0; e < dlogits_E.size(); ++e) dlogits_E[e] -= score_E[e] * dot;
    }
}

// balance = E · Σ_e load_e / T · mean_t share_te; the loads are constants.
void RoutingRecord::through_balance(int64_t t, std::span<float> dlogits_E) const {
    const bool sigmoids = policy.score == Score::sigmoid;
    const std::span<const float> part = row(sigmoids ? score_TE : softmax_TE, t);
    const float sum = score_sum_T.f32()[t];
    const auto tokens = static_cast<float>(logits_TE->value.rows());
    const float factor = scalar(balance_loss->grad) * static_cast<float>(load_E.size()) / (tokens * tokens);
    const auto dshare = [&](size_t e) { return factor * static_cast<float>(load_E[e]); };
    float dot = 0;
    for (size_t e = 0; e < part.size(); ++e) dot += part[e] / sum * dshare(e);
    for (size_t e = 0; e < part.size(); ++e) {
        dlogits_E[e] += part[e] / sum * (dshare(e) - dot) * (sigmoids ? 1 - part[e] : 1);
    }
}

// z = mean_t logsumexp(logits)².
void RoutingRecord::through_z(int64_t t, std::span<float> dlogits_E) const {
    const std::span<const float> p = row(softmax_TE, t);
    const auto tokens = static_cast<float>(logits_TE->value.rows());
    const float factor = scalar(z_loss->grad) * 2 * logsumexp_T.f32()[t] / tokens;
    for (size_t e = 0; e < p.size(); ++e) dlogits_E[e] += factor * p[e];
}

void add_losses(ops::Graph& g, const RouterPolicy& policy, ops::Var logits_TE, Tensor score_TE,
                std::vector<int32_t> chosen_Tk, Routing& routing) {
    const Shape per_token{logits_TE->value.rows()};
    routing.balance_loss = g.make(DType::f32, {1}, logits_TE->wants_grad);
    routing.z_loss = g.make(DType::f32, {1}, logits_TE->wants_grad);
    RoutingRecord record{.policy = policy,
                         .top_k = routing.top_k,
                         .chosen_Tk = std::move(chosen_Tk),
                         .ids_Tk = routing.ids_Tk,
                         .load_E = routing.load_E,
                         .logits_TE = logits_TE,
                         .weights_Tk = routing.weights_Tk,
                         .balance_loss = routing.balance_loss,
                         .z_loss = routing.z_loss,
                         .softmax_TE = policy.score == Score::softmax ? score_TE : softmax_of(g, logits_TE->value),
                         .score_TE = score_TE,
                         .logsumexp_T = g.arena().tensor(DType::f32, per_token),
                         .score_sum_T = g.arena().tensor(DType::f32, per_token)};
    record.compute_losses();
    if (!logits_TE->wants_grad) return;
    g.record({routing.weights_Tk, routing.balance_loss, routing.z_loss},
             [&g, record = std::move(record)] { record.backward(g); });
}

}  // namespace gremium::moe
