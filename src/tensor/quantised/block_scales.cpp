#include "tensor/quantised/block_scales.h"

namespace gremium::fit {

Affine affine(const float* x, const float* w, int n, int highest, bool below_zero) {
    float low = below_zero ? 0 : x[0], high = x[0], sum_w = 0, sum_x = 0;
    for (int i = 0; i < n; ++i) {
        low = std::min(low, x[i]);
        high = std::max(high, x[i]);
        sum_w += w[i];
        sum_x += w[i] * x[i];
    }
    const float mean = below_zero ? std::min(0.f, sum_x / sum_w) : sum_x / sum_w;
    Affine best{0, mean};
    if (!(high > low)) return best;
    // The gain is Σ wx² minus the error.
    float best_gain = 2 * mean * sum_x - mean * mean * sum_w;
    const auto improve = [&](float per_step, float min) {
        float q_sum = 0, qq = 0, xq = 0;
        const float top = static_cast<float>(highest);
#pragma omp simd reduction(+ : q_sum, qq, xq)
        for (int i = 0; i < n; ++i) {
            const float q = clamp(round((x[i] - min) * per_step), 0, top), wq = w[i] * q;
            q_sum += wq;
            qq += wq * q;
            xq += wq * x[i];
        }
        const float determinant = sum_w * qq - q_sum * q_sum;
        // Whether the codes differ by more than rounding.
        const bool distinct = determinant > 1e-5f * sum_w * qq;
        if (!distinct && !(below_zero && qq > 0)) return false;
        Affine fitted{(sum_w * xq - sum_x * q_sum) / determinant, (qq * sum_x - q_sum * xq) / determinant};
        if (!distinct || (below_zero && fitted.min > 0)) fitted = {xq / qq, 0};
        const float gain = fitted.scale * xq + fitted.min * sum_x;
        if (!(gain > best_gain) || fitted.scale <= 0) return false;
        best_gain = gain;
        best = fitted;
        return true;
    };
    for (int s = -10; s <= 10; ++s)
        improve((static_cast<float>(highest) + 0.1f * static_cast<float>(s)) / (high - low), low);
    for (int i = 0; i < 3 && best.scale > 0 && improve(1 / best.scale, best.min); ++i) {
    }
    return best;
}

}  // namespace gremium::fit
