#include <cassert>
#include <cmath>

#include "kernels/rows.h"
#include "kernels/rowwise.h"

namespace gremium::kernels {
namespace reference {
namespace {

void rms_norm(float* y, const float* x, const float* w, float eps, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += double{x[i]} * x[i];
    const float r = static_cast<float>(1 / std::sqrt(sum / static_cast<double>(n) + eps));
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] * r * (w ? w[i] : 1);
}

// With r = rsqrt(mean(x²) + eps) and g = dy ⊙ w: dx = r·(g − x·r²·mean(g ⊙ x)), dw = dy ⊙ x·r.
void rms_norm_backward(float* dx, float* dw, const float* dy, const float* x, const float* w, float eps,
                       int64_t n) {
    double sum = 0, dot = 0;
    for (int64_t i = 0; i < n; ++i) {
        sum += double{x[i]} * x[i];
        dot += double{dy[i]} * (w ? w[i] : 1) * x[i];
    }
    const double r = 1 / std::sqrt(sum / static_cast<double>(n) + eps);
    const float scale = static_cast<float>(r),
                back = static_cast<float>(r * r * r * dot / static_cast<double>(n));
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

void layer_norm(float* y, const float* x, const float* w, const float* b, float eps, int64_t n) {
    const Moments m = moments(x, eps, n);
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - m.mean) * m.scale * (w ? w[i] : 1) + (b ? b[i] : 0);
}

// With x̂ = (x − μ)·scale and g = dy ⊙ w: dx = scale·(g − mean(g) − x̂·mean(g ⊙ x̂)), dw = dy ⊙ x̂, db = dy.
void layer_norm_backward(float* dx, float* dw, float* db, const float* dy, const float* x, const float* w,
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
        if (dw) dw[i] += dy[i] * normal;
        if (db) db[i] += dy[i];
    }
}

}  // namespace
}  // namespace reference

namespace {

const float* weights(TensorView w) { return w ? w.f32() : nullptr; }

}  // namespace

void rms_norm(Tensor y_TD, TensorView x_TD, TensorView w, float eps, int64_t group) {
    const int64_t cols = x_TD.cols();
    assert(cols % group == 0);
    parallel_rows(x_TD.rows(), cols, [&](int64_t begin, int64_t end) {
        RowReader x(x_TD);
        RowWriter y(y_TD);
        for (int64_t t = begin; t < end; ++t) {
            const float* in = x[t];
            float* out = y.begin(t);
            for (int64_t i = 0; i < cols; i += group)
                reference::rms_norm(out + i, in + i, weights(w), eps, group);
            y.finish(t);
        }
    });
}

void rms_norm_backward(Tensor dx_TD, Tensor dw, TensorView dy_TD, TensorView x_TD, TensorView w, float eps,
                       int64_t group) {
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
                reference::rms_norm_backward(out + i, dw ? partial : nullptr, grad + i, in + i, weights(w),
                                             eps, group);
            }
            dx.finish(t);
        }
    });
}

void layer_norm(Tensor y_TD, TensorView x_TD, TensorView w, TensorView b, float eps) {
    const int64_t cols = x_TD.cols();
    parallel_rows(x_TD.rows(), cols, [&](int64_t begin, int64_t end) {
        RowReader x(x_TD);
        RowWriter y(y_TD);
        for (int64_t t = begin; t < end; ++t) {
            reference::layer_norm(y.begin(t), x[t], weights(w), weights(b), eps, cols);
            y.finish(t);
        }
    });
}

void layer_norm_backward(Tensor dx_TD, Tensor dw, Tensor db, TensorView dy_TD, TensorView x_TD, TensorView w,
                         float eps) {
    const int64_t cols = x_TD.cols();
    std::vector<float> sums(static_cast<size_t>(2 * cols));
    reduce_rows(sums.data(), 2 * cols, x_TD.rows(), [&](float* partial, int64_t begin, int64_t end) {
        RowReader x(x_TD), dy(dy_TD);
        RowWriter dx(dx_TD);
        for (int64_t t = begin; t < end; ++t) {
            reference::layer_norm_backward(dx.edit(t), partial, partial + cols, dy[t], x[t], weights(w), eps,
                                           cols);
            dx.finish(t);
        }
    });
    for (int64_t i = 0; i < cols; ++i) {
        if (dw) dw.f32()[i] += sums[static_cast<size_t>(i)];
        if (db) db.f32()[i] += sums[static_cast<size_t>(cols + i)];
    }
}

}  // namespace gremium::kernels
