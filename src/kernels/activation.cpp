#include <cassert>
#include <cmath>
#include <numbers>

#include "kernels/rows.h"
#include "kernels/rowwise.h"

namespace gremium::kernels {
namespace reference {
namespace {

struct ValueSlope {
    float value, slope;
};

// The activation and its derivative at x.
ValueSlope evaluate(Activation kind, float x) {
    switch (kind) {
        case Activation::silu: {
            const float s = 1 / (1 + std::exp(-x));
            return {x * s, s * (1 + x * (1 - s))};
        }
        case Activation::gelu: {
            constexpr float a = 0.7978845608028654f, b = 0.044715f;  // √(2/π)
            const float t = std::tanh(a * (x + b * x * x * x));
            return {0.5f * x * (1 + t), 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * a * (1 + 3 * b * x * x)};
        }
        case Activation::gelu_erf: {
            const float phi = 0.5f * std::erfc(-x / std::numbers::sqrt2_v<float>);
            return {x * phi, phi + x * std::exp(-0.5f * x * x) * 0.3989422804014327f};  // 1/√(2π)
        }
        case Activation::relu:
            return {x > 0 ? x : 0, x > 0 ? 1.f : 0.f};
    }
    return {};
}

void activate(float* y, const float* gate, const float* up, Activation kind, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = evaluate(kind, gate[i]).value * (up ? up[i] : 1);
}

void activate_backward(float* dgate, float* dup, const float* dy, const float* gate, const float* up,
                       Activation kind, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        const auto [value, slope] = evaluate(kind, gate[i]);
        dgate[i] = dy[i] * slope * (up ? up[i] : 1);
        if (dup) dup[i] = dy[i] * value;
    }
}

}  // namespace
}  // namespace reference

void activate(Tensor y_TF, TensorView gate_TF, TensorView up_TF, Activation kind) {
    parallel_rows(gate_TF.rows(), gate_TF.cols(), [&](int64_t begin, int64_t end) {
        RowReader gate(gate_TF), up(up_TF);
        RowWriter y(y_TF);
        for (int64_t t = begin; t < end; ++t) {
            reference::activate(y.begin(t), gate[t], up[t], kind, gate_TF.cols());
            y.finish(t);
        }
    });
}

void activate_backward(Tensor dgate_TF, Tensor dup_TF, TensorView dy_TF, TensorView gate_TF, TensorView up_TF,
                       Activation kind) {
    assert(static_cast<bool>(dup_TF) == static_cast<bool>(up_TF));
    parallel_rows(gate_TF.rows(), gate_TF.cols(), [&](int64_t begin, int64_t end) {
        RowReader dy(dy_TF), gate(gate_TF), up(up_TF);
        RowWriter dgate(dgate_TF), dup(dup_TF);
        for (int64_t t = begin; t < end; ++t) {
            float* dup_row = dup_TF ? dup.begin(t) : nullptr;
            reference::activate_backward(dgate.begin(t), dup_row, dy[t], gate[t], up[t], kind,
                                         gate_TF.cols());
            dgate.finish(t);
            if (dup_TF) dup.finish(t);
        }
    });
}

}  // namespace gremium::kernels
