#include <algorithm>
#include <cassert>
#include <cmath>

#include "base/error.h"
#include "kernels/rows.h"
#include "kernels/rowwise.h"

namespace gremium::kernels {
namespace reference {
namespace {

// x ← softmax(x)·scale; returns logsumexp(x).
float scaled_softmax(float* x, float scale, int64_t n) {
    const float top = *std::max_element(x, x + n);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i] = std::exp(x[i] - top);
    for (int64_t i = 0; i < n; ++i) x[i] = static_cast<float>(x[i] * (scale / sum));
    return static_cast<float>(top + std::log(sum));
}

}  // namespace
}  // namespace reference

void cross_entropy(std::span<float> loss_T, std::span<float> logsumexp_T, Tensor logits_TV,
                   std::span<const int32_t> targets, float scale) {
    const int64_t rows = logits_TV.rows(), vocabulary = logits_TV.cols();
    assert(static_cast<int64_t>(loss_T.size()) == rows && static_cast<int64_t>(targets.size()) == rows);
    for (const int32_t target : targets) {
        if (target >= vocabulary) fail("target {} is outside the vocabulary of {}", target, vocabulary);
    }
    parallel_rows(rows, vocabulary, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
            const size_t i = static_cast<size_t>(t);
            const int32_t target = targets[i];
            const bool counts = target >= 0;
            float* row = logits_TV.f32() + t * vocabulary;
            const float logit = counts ? row[target] : 0;
            const float logsumexp = reference::scaled_softmax(row, counts ? scale : 0, vocabulary);
            if (counts) row[target] -= scale;
            loss_T[i] = counts ? logsumexp - logit : 0;
            if (!logsumexp_T.empty()) logsumexp_T[i] = logsumexp;
        }
    });
}

}  // namespace gremium::kernels
