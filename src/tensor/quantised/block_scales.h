// Fits the scales of quantised weights by weighted least squares, which make Σ w·(x − y)² over n weights small. Given a
// scale, rounding gives the codes; given the codes, the best scale has a closed form. The search starts with a grid
// around the scale that just covers the largest weight, then alternates these two steps while the error falls.
#pragma once

#include <algorithm>
#include <cmath>

namespace gremium::fit {

// To an integer, half to even; |v| < 2²². Unlike the standard functions, it vectorises on every target.
inline float round(float v) { return (v + 0x1.8p23f) - 0x1.8p23f; }

// A NaN becomes `high`.
inline float clamp(float v, float low, float high) { return std::max(low, std::min(high, v)); }

inline float inverse(float v) { return v != 0 ? 1 / v : 0; }

// The weight with the largest absolute value, with its sign.
inline float extreme(const float* x, int n) {
    float most = 0;
    for (int i = 0; i < n; ++i) {
        if (std::fabs(x[i]) > std::fabs(most)) most = x[i];
    }
    return most;
}

// A codebook whose values are the integers lowest … highest.
struct Integers {
    float lowest, highest;
    // Of the grid, in units of codebook values.
    static constexpr float step = 0.1f;
    static constexpr bool lopsided = false;
    float nearest(float v) const { return clamp(round(v), lowest, highest); }
};

// y = scale·v for values v of the codebook. Its lowest value is the largest in size, so the largest weight is mapped
// near it. A lopsided codebook may fit better with the opposite sign.
template <typename Book>
float scale(const float* x, const float* w, int n, const Book& book) {
    const float most = extreme(x, n);
    if (most == 0) return 0;
    float best = 0, best_gain = 0;
    const auto improve = [&](float per_step) {
        float xv = 0, vv = 0;
#pragma omp simd reduction(+ : xv, vv)
        for (int i = 0; i < n; ++i) {
            const float v = book.nearest(x[i] * per_step);
            xv += w[i] * x[i] * v;
            vv += w[i] * v * v;
        }
        // The error is Σ wx² − (Σ wxv)² / Σ wv².
        if (!(xv * xv > best_gain * vv)) return false;
        best_gain = xv * xv / vv;
        best = xv / vv;
        return true;
    };
    for (int s = -10; s <= 10; ++s) {
        const float end = book.lowest + static_cast<float>(s) * Book::step;
        improve(end / most);
        if (Book::lopsided) improve(-end / most);
    }
    for (int i = 0; i < 3 && best != 0 && improve(1 / best); ++i) {
    }
    return best;
}

struct Affine {
    float scale, min;  // y = scale·q + min
};

// Codes 0 … highest. `below_zero` keeps min <= 0.
Affine affine(const float* x, const float* w, int n, int highest, bool below_zero);

}  // namespace gremium::fit
