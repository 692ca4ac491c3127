#include "moe/router_losses.h"

#include <algorithm>
#include <numeric>

#include "base/parallel.h"

namespace gremium::moe {
namespace {

using Score = RouterPolicy::Score;

constexpr int64_t chunk_tokens = 64;

}  // namespace

float softmax(std::span<const float> in, std::span<float> out) {
    const float top = std::ranges::max(in);
    float sum = 0;
    for (size_t i = 0; i < in.size(); ++i) sum += out[i] = std::exp(in[i] - top);
    for (float& p : out) p /= sum;
    return top + std::log(sum);
}

std::span<const float> RoutingRecord::logits(int64_t t) const {
    return {reinterpret_cast<const float*>(logits_TE->value.row(t)), load_E.size()};
}

std::span<float> RoutingRecord::share(int64_t t) const {
    return {reinterpret_cast<float*>(share_TE.row(t)), load_E.size()};
}

void RoutingRecord::compute_losses() {
    const int64_t tokens = logits_TE->value.rows();
    const size_t experts = load_E.size();
    const auto chunks = static_cast<size_t>((tokens + chunk_tokens - 1) / chunk_tokens);
    std::vector<double> partial_shares(chunks * experts), partial_z(chunks);
    parallel_chunks(tokens, chunk_tokens, [&](int64_t begin, int64_t end) {
        const auto chunk = static_cast<size_t>(begin / chunk_tokens);
        for (int64_t t = begin; t < end; ++t) {
            const std::span<float> share_E = share(t);
            const float lse = logsumexp_T.f32()[t] = softmax(logits(t), share_E);
            partial_z[chunk] += double{lse} * lse;
            if (policy.score == Score::sigmoid) {
                std::ranges::transform(logits(t), share_E.begin(), sigmoid);
                const float sum = std::accumulate(share_E.begin(), share_E.end(), tiny_score);
                for (float& s : share_E) s /= sum;
            }
            for (size_t e = 0; e < experts; ++e) partial_shares[chunk * experts + e] += share_E[e];
        }
    });
    double balance = 0;
    for (size_t i = 0; i < partial_shares.size(); ++i) {
        balance += partial_shares[i] * static_cast<double>(load_E[i % experts]);
    }
    const double z = std::accumulate(partial_z.begin(), partial_z.end(), 0.0);
    const auto count = static_cast<double>(tokens);
    *balance_loss->value.f32() = static_cast<float>(balance * static_cast<double>(experts) / (count * count));
    *z_loss->value.f32() = static_cast<float>(z / count);
}

void RoutingRecord::backward(ops::Graph& g) const {
    g.fill_grads({logits_TE}, [&](std::span<const Tensor> d) {
        parallel_chunks(logits_TE->value.rows(), chunk_tokens, [&](int64_t begin, int64_t end) {
            std::vector<float> score_k(static_cast<size_t>(top_k));
            for (int64_t t = begin; t < end; ++t) {
                token_backward(t, {reinterpret_cast<float*>(d[0].row(t)), load_E.size()}, score_k);
            }
        });
    });
}

void RoutingRecord::token_backward(int64_t t, std::span<float> dlogits_E, std::span<float> score_k) const {
    std::ranges::fill(dlogits_E, 0.0f);
    if (weights_Tk->grad) through_weights(t, dlogits_E, score_k);
    if (balance_loss->grad) through_balance(t, dlogits_E);
    if (z_loss->grad) through_z(t, dlogits_E);
}

// weight_j = scale · s_j (/ Σ s), with s the scores of the chosen experts.
void RoutingRecord::through_weights(int64_t t, std::span<float> dlogits_E, std::span<float> score_k) const {
    const size_t k = score_k.size();
    const float* dweights = reinterpret_cast<const float*>(weights_Tk->grad.row(t));
    const auto expert = [&](size_t j) { return static_cast<size_t>(ids_Tk[static_cast<size_t>(t) * k + j]); };
    for (size_t j = 0; j < k; ++j) {
        score_k[j] = policy.score == Score::softmax ? share(t)[expert(j)] : logits(t)[expert(j)];
        if (policy.score == Score::sigmoid) score_k[j] = sigmoid(score_k[j]);
    }
    if (policy.score == Score::softmax_selected) softmax(score_k, score_k);

    float sum = 1, mean = 0;
    if (policy.normalise) {
        sum = std::accumulate(score_k.begin(), score_k.end(), tiny_score);
        for (size_t j = 0; j < k; ++j) mean += dweights[j] * score_k[j] / sum;
    }
    const auto dscore = [&](size_t j) { return policy.scale * (dweights[j] - mean) / sum; };

    float dot = 0;
    for (size_t j = 0; j < k; ++j) dot += dscore(j) * score_k[j];
    for (size_t j = 0; j < k; ++j) {
        const float s = score_k[j];
        switch (policy.score) {
            case Score::softmax:
                dlogits_E[expert(j)] += s * dscore(j);
                break;
            case Score::softmax_selected:
                dlogits_E[expert(j)] += s * (dscore(j) - dot);
                break;
            case Score::sigmoid:
                dlogits_E[expert(j)] += s * (1 - s) * dscore(j);
                break;
        }
    }
    if (policy.score == Score::softmax) {
        for (size_t e = 0; e < dlogits_E.size(); ++e) dlogits_E[e] -= share(t)[e] * dot;
    }
}

// balance = E · Σ_e load_e / T · mean_t share_te; the loads are constants.
void RoutingRecord::through_balance(int64_t t, std::span<float> dlogits_E) const {
    const std::span<const float> share_E = share(t);
    const auto tokens = static_cast<float>(logits_TE->value.rows());
    const float factor = *balance_loss->grad.f32() * static_cast<float>(load_E.size()) / (tokens * tokens);
    const auto dshare = [&](size_t e) { return factor * static_cast<float>(load_E[e]); };
    float dot = 0;
    for (size_t e = 0; e < share_E.size(); ++e) dot += share_E[e] * dshare(e);
    for (size_t e = 0; e < share_E.size(); ++e) {
        const float d = share_E[e] * (dshare(e) - dot);
        dlogits_E[e] += policy.score == Score::sigmoid ? d * (1 - sigmoid(logits(t)[e])) : d;
    }
}

// z = mean_t logsumexp(logits)².
void RoutingRecord::through_z(int64_t t, std::span<float> dlogits_E) const {
    const float lse = logsumexp_T.f32()[t];
    const float factor = *z_loss->grad.f32() * 2 * lse / static_cast<float>(logits_TE->value.rows());
    for (size_t e = 0; e < dlogits_E.size(); ++e) dlogits_E[e] += factor * std::exp(logits(t)[e] - lse);
}

}  // namespace gremium::moe
