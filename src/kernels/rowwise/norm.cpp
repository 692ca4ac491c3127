#include "kernels/rowwise/norm.h"

#include <cassert>
#include <cmath>

#include "kernels/simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rowwise/norm.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE VecF or_one(const float* w, int64_t i, auto lanes) { return w ? lanes.load(w + i) : hn::Set(F32(), 1.f); }

HWY_INLINE float sum_of_squares(const float* x, int64_t n) {
    VecF sum = hn::Zero(F32());
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        const VecF v = lanes.load(x + i);
        sum = hn::MulAdd(v, v, sum);
    });
    return sum_of_lanes(sum);
}

void rms_norm_row(float* y, const float* x, const float* w, float eps, int64_t n) {
    const VecF r = hn::Set(F32(), 1 / std::sqrt(sum_of_squares(x, n) / static_cast<float>(n) + eps));
    for_vectors(n, [&](int64_t i, auto lanes)
                       HWY_ATTR { lanes.store(hn::Mul(hn::Mul(lanes.load(x + i), r), or_one(w, i, lanes)), y + i); });
}

void rms_norm_backward_row(float* dx, float* dw, const float* dy, const float* x, const float* w, float eps,
                           int64_t n) {
    const F32 d;
    VecF dot = hn::Zero(d);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        dot = hn::MulAdd(hn::Mul(lanes.load(dy + i), or_one(w, i, lanes)), lanes.load(x + i), dot);
    });
    const float scale = 1 / std::sqrt(sum_of_squares(x, n) / static_cast<float>(n) + eps);
    const VecF r = hn::Set(d, scale),
               back = hn::Set(d, scale * scale * scale * sum_of_lanes(dot) / static_cast<float>(n));
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        const VecF in = lanes.load(x + i), normal_grad = hn::Mul(lanes.load(dy + i), r);
        const VecF grad = hn::NegMulAdd(in, back, hn::Mul(normal_grad, or_one(w, i, lanes)));
        lanes.store(hn::Add(lanes.load(dx + i), grad), dx + i);
        if (dw) lanes.store(hn::MulAdd(normal_grad, in, lanes.load(dw + i)), dw + i);
    });
}

struct Moments {
    VecF mean, scale;  // scale = 1/√(var + eps)
};
HWY_INLINE Moments moments(const float* x, float eps, int64_t n) {
    const F32 d;
    VecF sum = hn::Zero(d), squares = hn::Zero(d);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR { sum = hn::Add(sum, lanes.load(x + i)); });
    const VecF mean = hn::Set(d, sum_of_lanes(sum) / static_cast<float>(n));
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        const VecF v = lanes.keep(hn::Sub(lanes.load(x + i), mean));
        squares = hn::MulAdd(v, v, squares);
    });
    return {mean, hn::Set(d, 1 / std::sqrt(sum_of_lanes(squares) / static_cast<float>(n) + eps))};
}

void layer_norm_row(float* y, const float* x, const float* w, const float* b, float eps, int64_t n) {
    const Moments m = moments(x, eps, n);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        const VecF normal = hn::Mul(hn::Sub(lanes.load(x + i), m.mean), m.scale);
        const VecF shift = b ? lanes.load(b + i) : hn::Zero(F32());
        lanes.store(hn::MulAdd(normal, or_one(w, i, lanes), shift), y + i);
    });
}

void layer_norm_backward_row(float* dx, float* dw, float* db, const float* dy, const float* x, const float* w,
                             float eps, int64_t n) {
    const F32 d;
    const Moments m = moments(x, eps, n);
    VecF sum = hn::Zero(d), dot = hn::Zero(d);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        const VecF g = hn::Mul(lanes.load(dy + i), or_one(w, i, lanes));
        sum = hn::Add(sum, g);
        dot = hn::MulAdd(g, hn::Mul(hn::Sub(lanes.load(x + i), m.mean), m.scale), dot);
    });
    const VecF mean_g = hn::Set(d, sum_of_lanes(sum) / static_cast<float>(n));
    const VecF mean_gx = hn::Set(d, sum_of_lanes(dot) / static_cast<float>(n));
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        const VecF grad = lanes.load(dy + i), normal = hn::Mul(hn::Sub(lanes.load(x + i), m.mean), m.scale);
        const VecF g = hn::Sub(hn::Mul(grad, or_one(w, i, lanes)), hn::MulAdd(normal, mean_gx, mean_g));
        lanes.store(hn::MulAdd(m.scale, g, lanes.load(dx + i)), dx + i);
        lanes.store(hn::MulAdd(grad, normal, lanes.load(dw + i)), dw + i);
        lanes.store(hn::Add(grad, lanes.load(db + i)), db + i);
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

void rms_norm_row(float* y, const float* x, const float* w, float eps, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += double{x[i]} * x[i];
    const float r = static_cast<float>(1 / std::sqrt(sum / static_cast<double>(n) + eps));
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] * r * (w ? w[i] : 1);
}

// With r = rsqrt(mean(x²) + eps) and g = dy ⊙ w: dx = r·(g − x·r²·mean(g ⊙ x)), dw = dy ⊙ x·r.
void rms_norm_backward_row(float* dx, float* dw, const float* dy, const float* x, const float* w, float eps,
                           int64_t n) {
    double sum = 0, dot = 0;
    for (int64_t i = 0; i < n; ++i) {
        sum += double{x[i]} * x[i];
        dot += double{dy[i]} * (w ? w[i] : 1) * x[i];
    }
    const double r = 1 / std::sqrt(sum / static_cast<double>(n) + eps);
    const float scale = static_cast<float>(r), back = static_cast<float>(r * r * r * dot / static_cast<double>(n));
    for (int64_t i = 0; i < n; ++i) {
        dx[i] += dy[i] * (w ? w[i] : 1) * scale - x[i] * back;
        if (dw) dw[i] += dy[i] * x[i] * scale;
    }
}

struct Moments {
    float mean, scale;  // scale = 1/√(var + eps)
};
Moments moments(const float* x, float eps, int64_t n) {
    double mean = 0, var = 0;
    for (int64_t i = 0; i < n; ++i) mean += x[i];
    mean /= static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) var += (x[i] - mean) * (x[i] - mean);
    return {static_cast<float>(mean), static_cast<float>(1 / std::sqrt(var / static_cast<double>(n) + eps))};
}

void layer_norm_row(float* y, const float* x, const float* w, const float* b, float eps, int64_t n) {
    const Moments m = moments(x, eps, n);
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - m.mean) * m.scale * (w ? w[i] : 1) + (b ? b[i] : 0);
}

// With x̂ = (x − μ)·scale and g = dy ⊙ w: dx = scale·(g − mean(g) − x̂·mean(g ⊙ x̂)), dw = dy ⊙ x̂, db = dy.
void layer_norm_backward_row(float* dx, float* dw, float* db, const float* dy, const float* x, const float* w,
                             float eps, int64_t n) {
    const Moments m = moments(x, eps, n);
    double sum = 0, dot = 0;
    for (int64_t i = 0; i < n; ++i) {
        const double g = double{dy[i]} * (w ? w[i] : 1);
        sum += g;
        dot += g * (x[i] - m.mean) * m.scale;
    }
    const float mean_g = static_cast<float>(sum / static_cast<double>(n));
    const float mean_gx = static_cast<float>(dot / static_cast<double>(n));
    for (int64_t i = 0; i < n; ++i) {
        const float normal = (x[i] - m.mean) * m.scale;
        dx[i] += m.scale * (dy[i] * (w ? w[i] : 1) - mean_g - normal * mean_gx);
        dw[i] += dy[i] * normal;
        db[i] += dy[i];
    }
}

}  // namespace
}  // namespace reference

HWY_EXPORT(rms_norm_row);
HWY_EXPORT(rms_norm_backward_row);
HWY_EXPORT(layer_norm_row);
HWY_EXPORT(layer_norm_backward_row);

namespace {

const float* weights(TensorView w) { return w ? w.f32() : nullptr; }

}  // namespace

void rms_norm(Tensor y_TD, TensorView x_TD, TensorView w, float eps, int64_t group) {
    const auto row = GREMIUM_SELECT(rms_norm_row);
    const int64_t cols = x_TD.cols();
    assert(cols % group == 0);
    parallel_rows(x_TD.rows(), cols, [&](int64_t begin, int64_t end) {
        RowReader x(x_TD);
        RowWriter y(y_TD);
        for (int64_t t = begin; t < end; ++t) {
            const float* in = x[t];
            float* out = y.begin(t);
            for (int64_t i = 0; i < cols; i += group) row(out + i, in + i, weights(w), eps, group);
            y.finish(t);
        }
    });
}

void rms_norm_backward(Tensor dx_TD, Tensor dw, TensorView dy_TD, TensorView x_TD, TensorView w, float eps,
                       int64_t group) {
    const auto row = GREMIUM_SELECT(rms_norm_backward_row);
    const int64_t cols = x_TD.cols();
    assert(cols % group == 0);
    std::vector<float> unused(static_cast<size_t>(group));
    float* total = dw ? dw.f32() : unused.data();
    reduce_rows(total, group, x_TD.rows(), [&](float* partial, int64_t begin, int64_t end) {
        RowReader x(x_TD), dy(dy_TD);
        RowWriter dx(dx_TD);
        for (int64_t t = begin; t < end; ++t) {
            const float *in = x[t], *grad = dy[t];
            float* out = dx.edit(t);
            for (int64_t i = 0; i < cols; i += group) {
                row(out + i, dw ? partial : nullptr, grad + i, in + i, weights(w), eps, group);
            }
            dx.finish(t);
        }
    });
}

void layer_norm(Tensor y_TD, TensorView x_TD, TensorView w, TensorView b, float eps) {
    const auto row = GREMIUM_SELECT(layer_norm_row);
    const int64_t cols = x_TD.cols();
    parallel_rows(x_TD.rows(), cols, [&](int64_t begin, int64_t end) {
        RowReader x(x_TD);
        RowWriter y(y_TD);
        for (int64_t t = begin; t < end; ++t) {
            row(y.begin(t), x[t], weights(w), weights(b), eps, cols);
            y.finish(t);
        }
    });
}

void layer_norm_backward(Tensor dx_TD, Tensor dw, Tensor db, TensorView dy_TD, TensorView x_TD, TensorView w,
                         float eps) {
    const auto row = GREMIUM_SELECT(layer_norm_backward_row);
    const int64_t cols = x_TD.cols();
    std::vector<float> sums(static_cast<size_t>(2 * cols));
    reduce_rows(sums.data(), 2 * cols, x_TD.rows(), [&](float* partial, int64_t begin, int64_t end) {
        RowReader x(x_TD), dy(dy_TD);
        RowWriter dx(dx_TD);
        for (int64_t t = begin; t < end; ++t) {
            row(dx.edit(t), partial, partial + cols, dy[t], x[t], weights(w), eps, cols);
            dx.finish(t);
        }
    });
    for (int64_t i = 0; i < cols; ++i) {
        if (dw) dw.f32()[i] += sums[static_cast<size_t>(i)];
        if (db) db.f32()[i] += sums[static_cast<size_t>(cols + i)];
    }
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
