#include "kernels/rowwise/softmax.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "kernels/simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rowwise/softmax.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

// y ← softmax(x) · scale; returns the maximum and Σ e^(x − maximum).
std::pair<float, double> softmax_row(float* y, const float* x, float scale, int64_t n) {
    const F32 d;
    VecF top = hn::Set(d, -INFINITY), sum = hn::Zero(d);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR { top = hn::Max(top, lanes.load(x + i, -INFINITY)); });
    top = hn::MaxOfLanes(d, top);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        const VecF e = exp(hn::Sub(lanes.load(x + i, -INFINITY), top));
        sum = hn::Add(sum, lanes.keep(e));
        lanes.store(e, y + i);
    });
    const float total = sum_of_lanes(sum);
    const VecF factor = hn::Set(d, scale / total);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR { lanes.store(hn::Mul(lanes.load(y + i), factor), y + i); });
    return {hn::GetLane(top), total};
}

void softmax_backward_row(float* dx, const float* dy, const float* y, int64_t n) {
    VecF dot = hn::Zero(F32());
    for_vectors(n,
                [&](int64_t i, auto lanes) HWY_ATTR { dot = hn::MulAdd(lanes.load(dy + i), lanes.load(y + i), dot); });
    dot = hn::SumOfLanes(F32(), dot);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        const VecF g = hn::Sub(lanes.load(dy + i), dot);
        lanes.store(hn::MulAdd(lanes.load(y + i), g, lanes.load(dx + i)), dx + i);
    });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {
namespace reference {
namespace {

std::pair<float, double> softmax_row(float* y, const float* x, float scale, int64_t n) {
    const float top = *std::max_element(x, x + n);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += y[i] = std::exp(x[i] - top);
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(y[i] * (scale / sum));
    return {top, sum};
}

// dx = y ⊙ (dy − Σ dy ⊙ y)
void softmax_backward_row(float* dx, const float* dy, const float* y, int64_t n) {
    double dot = 0;
    for (int64_t i = 0; i < n; ++i) dot += double{dy[i]} * y[i];
    for (int64_t i = 0; i < n; ++i) dx[i] += y[i] * (dy[i] - static_cast<float>(dot));
}

}  // namespace
}  // namespace reference

HWY_EXPORT(softmax_row);
HWY_EXPORT(softmax_backward_row);

void softmax(Tensor y_TD, TensorView x_TD) {
    const auto row = GREMIUM_SELECT(softmax_row);
    parallel_rows(x_TD.rows(), x_TD.cols(), [&](int64_t begin, int64_t end) {
        RowReader x(x_TD);
        RowWriter y(y_TD);
        for (int64_t t = begin; t < end; ++t) {
            row(y.begin(t), x[t], 1, x_TD.cols());
            y.finish(t);
        }
    });
}

void softmax_backward(Tensor dx_TD, TensorView dy_TD, TensorView y_TD) {
    const auto row = GREMIUM_SELECT(softmax_backward_row);
    parallel_rows(y_TD.rows(), y_TD.cols(), [&](int64_t begin, int64_t end) {
        RowReader dy(dy_TD), y(y_TD);
        RowWriter dx(dx_TD);
        for (int64_t t = begin; t < end; ++t) {
            row(dx.edit(t), dy[t], y[t], y_TD.cols());
            dx.finish(t);
        }
    });
}

void cross_entropy(std::span<float> loss_T, std::span<float> logsumexp_T, Tensor logits_TV,
                   std::span<const int32_t> targets, float scale) {
    const auto row_softmax = GREMIUM_SELECT(softmax_row);
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
            const auto [top, sum] = row_softmax(row, row, counts ? scale : 0, vocabulary);
            const auto logsumexp = static_cast<float>(top + std::log(sum));
            if (counts) row[target] -= scale;
            loss_T[i] = counts ? logsumexp - logit : 0;
            if (!logsumexp_T.empty()) logsumexp_T[i] = logsumexp;
        }
    });
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
