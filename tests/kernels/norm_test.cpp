#include "kernels/rowwise/norm.h"
#include "tests/kernels/numbers.h"

namespace gremium::kernels {
namespace {

class Norm : public EachVariant {};

Doubles rms_norm_64(const Doubles& x, const Doubles& w, double eps, size_t group) {
    Doubles y(x.size());
    for (size_t at = 0; at < x.size(); at += group) {
        double sum = 0;
        for (size_t i = 0; i < group; ++i) sum += x[at + i] * x[at + i];
        const double r = 1 / std::sqrt(sum / static_cast<double>(group) + eps);
        for (size_t i = 0; i < group; ++i) y[at + i] = x[at + i] * r * (w.empty() ? 1 : w[i]);
    }
    return y;
}

Doubles layer_norm_64(const Doubles& x, const Doubles& w, const Doubles& b, double eps, size_t cols) {
    Doubles y(x.size());
    for (size_t at = 0; at < x.size(); at += cols) {
        double mean = 0, var = 0;
        for (size_t i = 0; i < cols; ++i) mean += x[at + i] / static_cast<double>(cols);
        for (size_t i = 0; i < cols; ++i) var += std::pow(x[at + i] - mean, 2) / static_cast<double>(cols);
        for (size_t i = 0; i < cols; ++i) {
            y[at + i] = (x[at + i] - mean) / std::sqrt(var + eps) * (w.empty() ? 1 : w[i]) + (b.empty() ? 0 : b[i]);
        }
    }
    return y;
}

struct Case {
    int64_t rows, cols, group;
    DType dtype;
    bool weighted;
};
const Case cases[] = {
    {1, 1, 1, DType::f32, true},     {5, 3, 3, DType::f32, true},       {70, 17, 17, DType::bf16, true},
    {40, 64, 64, DType::f32, false}, {3, 255, 255, DType::f32, true},   {33, 96, 24, DType::f32, true},
    {9, 128, 64, DType::bf16, true}, {2, 1030, 1030, DType::f32, true},
};
constexpr float eps = 1e-3f;

TEST_P(Norm, Rms) {
    for (const Case& c : cases) {
        const OwnedTensor x = random_tensor(c.dtype, {c.rows, c.cols}, 1, 3),
                          w = random_tensor(DType::f32, {c.group}, 2);
        const OwnedTensor y(c.dtype, {c.rows, c.cols});
        const TensorView weight = c.weighted ? w.get().view() : TensorView{};
        rms_norm(y, x, weight, eps, c.group);
        expect_near(y, rms_norm_64(doubles(x), doubles(weight), eps, static_cast<size_t>(c.group)));
    }
}

TEST_P(Norm, RmsBackward) {
    for (const Case& c : cases) {
        if (c.cols > 300) continue;
        const OwnedTensor x = random_tensor(c.dtype, {c.rows, c.cols}, 1), w = random_tensor(DType::f32, {c.group}, 2);
        const OwnedTensor dy = random_tensor(DType::f32, {c.rows, c.cols}, 3);
        const OwnedTensor dx = random_tensor(DType::f32, {c.rows, c.cols}, 4),
                          dw = random_tensor(DType::f32, {c.group}, 5);
        const TensorView weight = c.weighted ? w.get().view() : TensorView{};
        Doubles x64 = doubles(x), w64 = doubles(weight);
        const Doubles dx_before = doubles(dx), dw_before = doubles(dw), dy64 = doubles(dy);
        rms_norm_backward(dx, c.weighted ? dw.get() : Tensor{}, dy, x, weight, eps, c.group);

        const size_t cols = static_cast<size_t>(c.cols);
        for (size_t t = 0; t < static_cast<size_t>(c.rows); ++t) {  // rows are independent: differentiate one at a time
            Doubles row(&x64[t * cols], &x64[t * cols] + cols);
            const Doubles out(&dy64[t * cols], &dy64[t * cols] + cols);
            const Doubles grad =
                gradient(row, [&] { return dot(out, rms_norm_64(row, w64, eps, static_cast<size_t>(c.group))); });
            for (size_t i = 0; i < cols; ++i) {
                const double expected = dx_before[t * cols + i] + grad[i];
                ASSERT_NEAR(dx.get().f32()[t * cols + i], expected, 1e-5 * (1 + std::abs(expected))) << c.cols;
            }
        }
        if (!c.weighted) continue;
        const auto loss = [&] { return dot(dy64, rms_norm_64(x64, w64, eps, static_cast<size_t>(c.group))); };
        expect_near(dw, plus(dw_before, gradient(w64, loss)), 1e-5);
    }
}

TEST_P(Norm, Layer) {
    for (const Case& c : cases) {
        const OwnedTensor x = random_tensor(c.dtype, {c.rows, c.cols}, 1, 3);
        const OwnedTensor w = random_tensor(DType::f32, {c.cols}, 2), b = random_tensor(DType::f32, {c.cols}, 3);
        const OwnedTensor y(c.dtype, {c.rows, c.cols});
        const TensorView weight = c.weighted ? w.get().view() : TensorView{},
                         bias = c.weighted ? b.get().view() : TensorView{};
        layer_norm(y, x, weight, bias, eps);
        expect_near(y, layer_norm_64(doubles(x), doubles(weight), doubles(bias), eps, static_cast<size_t>(c.cols)),
                    5e-6);
    }
}

TEST_P(Norm, LayerBackward) {
    for (const Case& c : cases) {
        if (c.cols > 300) continue;
        const OwnedTensor x = random_tensor(c.dtype, {c.rows, c.cols}, 1), w = random_tensor(DType::f32, {c.cols}, 2);
        const OwnedTensor dy = random_tensor(DType::f32, {c.rows, c.cols}, 3);
        const OwnedTensor dx = random_tensor(DType::f32, {c.rows, c.cols}, 4);
        const OwnedTensor dw = random_tensor(DType::f32, {c.cols}, 5), db = random_tensor(DType::f32, {c.cols}, 6);
        const TensorView weight = c.weighted ? w.get().view() : TensorView{};
        const size_t cols = static_cast<size_t>(c.cols);
        Doubles x64 = doubles(x), w64 = doubles(weight), b64(cols);
        const Doubles dx_before = doubles(dx), dw_before = doubles(dw), db_before = doubles(db), dy64 = doubles(dy);
        layer_norm_backward(dx, c.weighted ? dw.get() : Tensor{}, db, dy, x, weight, eps);

        for (size_t t = 0; t < static_cast<size_t>(c.rows); ++t) {
            Doubles row(&x64[t * cols], &x64[t * cols] + cols);
            const Doubles out(&dy64[t * cols], &dy64[t * cols] + cols);
            const Doubles grad = gradient(row, [&] { return dot(out, layer_norm_64(row, w64, b64, eps, cols)); });
            for (size_t i = 0; i < cols; ++i) {
                const double expected = dx_before[t * cols + i] + grad[i];
                ASSERT_NEAR(dx.get().f32()[t * cols + i], expected, 1e-5 * (1 + std::abs(expected))) << c.cols;
            }
        }
        const auto loss = [&] { return dot(dy64, layer_norm_64(x64, w64, b64, eps, cols)); };
        expect_near(db, plus(db_before, gradient(b64, loss)), 1e-5);
        if (c.weighted) expect_near(dw, plus(dw_before, gradient(w64, loss)), 1e-5);
    }
}

TEST_P(Norm, SumsOverRowsDoNotDependOnThreads) {
    const OwnedTensor x = random_tensor(DType::f32, {1000, 65}, 1), dy = random_tensor(DType::f32, {1000, 65}, 2);
    expect_same_bits_for_any_threads([&] {
        OwnedTensor dx(DType::f32, {1000, 65}), sums(DType::f32, {3, 65});
        rms_norm_backward(dx, sums.get().at(0), dy, x, {}, eps, 65);
        layer_norm_backward(dx, sums.get().at(1), sums.get().at(2), dy, x, {}, eps);
        return sums;
    });
}

GREMIUM_EACH_VARIANT(Norm);

}  // namespace
}  // namespace gremium::kernels
