#include "kernels/rowwise/moe_rows.h"

#include <algorithm>

#include "kernels/simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rowwise/moe_rows.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

void scaled_row(float* y, const float* x, float a, bool add, int64_t n) {
    const VecF va = hn::Set(F32(), a);
    for_vectors(n, [&](int64_t i, auto lanes) HWY_ATTR {
        const VecF v = lanes.load(x + i);
        lanes.store(add ? hn::MulAdd(va, v, lanes.load(y + i)) : hn::Mul(va, v), y + i);
    });
}

float dot_row(const float* x, const float* y, int64_t n) {
    VecF sum = hn::Zero(F32());
    for_vectors(n,
                [&](int64_t i, auto lanes) HWY_ATTR { sum = hn::MulAdd(lanes.load(x + i), lanes.load(y + i), sum); });
    return sum_of_lanes(sum);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {
namespace reference {
namespace {

void scaled_row(float* y, const float* x, float a, bool add, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = a * x[i] + (add ? y[i] : 0);
}

float dot_row(const float* x, const float* y, int64_t n) {
    float sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i] * y[i];
    return sum;
}

}  // namespace
}  // namespace reference

HWY_EXPORT(scaled_row);
HWY_EXPORT(dot_row);

void combine_rows(Tensor y_TD, TensorView x_RD, std::span<const int32_t> row_of_Tk, TensorView weights_Tk,
                  bool accumulate) {
    const auto scaled = GREMIUM_SELECT(scaled_row);
    const int64_t tokens = y_TD.rows(), cols = y_TD.cols();
    const int64_t k = tokens ? static_cast<int64_t>(row_of_Tk.size()) / tokens : 0;
    const float* weights = weights_Tk ? weights_Tk.f32() : nullptr;
    parallel_rows(tokens, cols * std::max<int64_t>(k, 1), [&](int64_t begin, int64_t end) {
        RowReader x(x_RD);
        RowWriter y(y_TD);
        for (int64_t t = begin; t < end; ++t) {
            float* out = accumulate ? y.edit(t) : y.begin(t);
            bool add = accumulate;
            for (int64_t j = t * k; j < (t + 1) * k; ++j) {
                const int32_t row = row_of_Tk[static_cast<size_t>(j)];
                if (row < 0) continue;
                scaled(out, x[row], weights ? weights[j] : 1, add, cols);
                add = true;
            }
            if (!add) std::fill_n(out, cols, 0.0f);
            y.finish(t);
        }
    });
}

void combine_rows_backward(Tensor dx_RD, Tensor dweights_Tk, TensorView dy_TD, TensorView x_RD,
                           std::span<const int32_t> row_of_Tk, TensorView weights_Tk) {
    const auto scaled = GREMIUM_SELECT(scaled_row);
    const auto dot = GREMIUM_SELECT(dot_row);
    const int64_t tokens = dy_TD.rows(), cols = dy_TD.cols();
    const int64_t k = tokens ? static_cast<int64_t>(row_of_Tk.size()) / tokens : 0;
    parallel_rows(tokens, cols * std::max<int64_t>(k, 1), [&](int64_t begin, int64_t end) {
        RowReader x(x_RD), dy(dy_TD);
        RowWriter dx(dx_RD);
        for (int64_t t = begin; t < end; ++t) {
            const float* grad = dy[t];
            for (int64_t j = t * k; j < (t + 1) * k; ++j) {
                const int32_t row = row_of_Tk[static_cast<size_t>(j)];
                if (row < 0) continue;
                if (dweights_Tk) dweights_Tk.f32()[j] += dot(grad, x[row], cols);
                if (!dx_RD) continue;
                scaled(dx.begin(row), grad, weights_Tk ? weights_Tk.f32()[j] : 1, false, cols);
                dx.finish(row);
            }
        }
    });
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
