#include <algorithm>
#include <cmath>

#include "kernels/rows.h"
#include "kernels/rowwise.h"

namespace gremium::kernels {
namespace reference {
namespace {

void softmax(float* y, const float* x, int64_t n) {
    const float top = *std::max_element(x, x + n);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += y[i] = std::exp(x[i] - top);
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(y[i] / sum);
}

// dx = y ⊙ (dy − Σ dy ⊙ y)
void softmax_backward(float* dx, const float* dy, const float* y, int64_t n) {
    double dot = 0;
    for (int64_t i = 0; i < n; ++i) dot += double{dy[i]} * y[i];
    for (int64_t i = 0; i < n; ++i) dx[i] += y[i] * (dy[i] - static_cast<float>(dot));
}

}  // namespace
}  // namespace reference

void softmax(Tensor y_TD, TensorView x_TD) {
    parallel_rows(x_TD.rows(), x_TD.cols(), [&](int64_t begin, int64_t end) {
        RowReader x(x_TD);
        RowWriter y(y_TD);
        for (int64_t t = begin; t < end; ++t) {
            reference::softmax(y.begin(t), x[t], x_TD.cols());
            y.finish(t);
        }
    });
}

void softmax_backward(Tensor dx_TD, TensorView dy_TD, TensorView y_TD) {
    parallel_rows(y_TD.rows(), y_TD.cols(), [&](int64_t begin, int64_t end) {
        RowReader dy(dy_TD), y(y_TD);
        RowWriter dx(dx_TD);
        for (int64_t t = begin; t < end; ++t) {
            reference::softmax_backward(dx.edit(t), dy[t], y[t], y_TD.cols());
            dx.finish(t);
        }
    });
}

}  // namespace gremium::kernels
