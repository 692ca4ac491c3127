#include "moe/routers/scores.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "kernels/rowwise/softmax.h"
#include "ops/ops.h"

namespace gremium::moe {

using Score = RouterPolicy::Score;

void softmax(std::span<float> x) {
    const float top = std::ranges::max(x);
    float sum = 0;
    for (float& v : x) sum += v = std::exp(v - top);
    for (float& v : x) v /= sum;
}

Tensor softmax_of(ops::Graph& g, Tensor logits_TE) {
    const Tensor out = g.arena().tensor(DType::f32, logits_TE.shape);
    kernels::softmax(out, logits_TE);
    return out;
}

Tensor scores(ops::Graph& g, Score kind, Tensor logits_TE) {
    constexpr int64_t chunk_elements = 4096;
    if (kind == Score::softmax) return softmax_of(g, logits_TE);
    if (kind == Score::softmax_selected || kind == Score::sparsemixer) return logits_TE;
    const Tensor out = g.arena().tensor(DType::f32, logits_TE.shape);
    parallel_chunks(logits_TE.count(), chunk_elements, [&](int64_t begin, int64_t end) {
        std::transform(logits_TE.f32() + begin, logits_TE.f32() + end, out.f32() + begin,
                       [](float x) { return 1 / (1 + std::exp(-x)); });
    });
    return out;
}

void sparsemixer_shares(std::span<float> share_E, std::span<const float> logits_E, std::span<const int32_t> ids_k,
                        size_t j, float epsilon) {
    const float best = logits_E[static_cast<size_t>(ids_k[j])];
    const std::span<const int32_t> chosen = ids_k.first(j);
    float sum = 0;
    for (size_t e = 0; e < share_E.size(); ++e) {
        const float s = logits_E[e];
        const bool far = best - s > 2 * epsilon * std::max(std::abs(s), best);
        const bool taken = std::ranges::find(chosen, static_cast<int32_t>(e)) != chosen.end();
        sum += share_E[e] = far || taken ? 0 : std::exp(s - best);
    }
    for (float& share : share_E) share /= sum;
}

float divisor(const RouterPolicy& policy, std::span<const float> score_k, std::span<const int32_t> ids_k) {
    if (!policy.normalise) return 1;
    float sum = tiny_score;
    for (size_t j = 0; j < score_k.size(); ++j)
        if (ids_k[j] >= 0 || policy.normalise_dropped) sum += score_k[j];
    return sum;
}

}  // namespace gremium::moe
