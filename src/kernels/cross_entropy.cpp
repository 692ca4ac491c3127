#include <algorithm>
#include <cassert>
#include <cmath>

#include "base/error.h"
#include "kernels/rows.h"
#include "kernels/rowwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cross_entropy.cpp"
#include "kernels/dispatch.h"
#include "kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

float scaled_softmax_row(float* x, float scale, int64_t n) {
    const F32 d;
    VecF top = hn::Set(d, -INFINITY), sum = hn::Zero(d);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR { top = hn::Max(top, lanes.load(x + i, -INFINITY)); });
    top = hn::MaxOfLanes(d, top);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        const VecF e = exp(hn::Sub(lanes.load(x + i, -INFINITY), top));
        sum = hn::Add(sum, lanes.keep(e));
        lanes.store(e, x + i);
    });
    const float total = sum_of_lanes(sum);
    const VecF factor = hn::Set(d, scale / total);
    for_vectors(
        n, [&](int64_t i, auto lanes) HWY_ATTR { lanes.store(hn::Mul(lanes.load(x + i), factor), x + i); });
    return hn::GetLane(top) + std::log(total);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {
namespace reference {
namespace {

// x ← softmax(x)·scale; returns logsumexp(x).
float scaled_softmax_row(float* x, float scale, int64_t n) {
    const float top = *std::max_element(x, x + n);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i] = std::exp(x[i] - top);
    for (int64_t i = 0; i < n; ++i) x[i] = static_cast<float>(x[i] * (scale / sum));
    return static_cast<float>(top + std::log(sum));
}

}  // namespace
}  // namespace reference

HWY_EXPORT(scaled_softmax_row);

void cross_entropy(std::span<float> loss_T, std::span<float> logsumexp_T, Tensor logits_TV,
                   std::span<const int32_t> targets, float scale) {
    const auto row_softmax = GREMIUM_SELECT(scaled_softmax_row);
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
            const float logsumexp = row_softmax(row, counts ? scale : 0, vocabulary);
            if (counts) row[target] -= scale;
            loss_T[i] = counts ? logsumexp - logit : 0;
            if (!logsumexp_T.empty()) logsumexp_T[i] = logsumexp;
        }
    });
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
