// softmax and cross_entropy.
#include <gmock/gmock.h>

#include "base/error.h"
#include "kernels/rowwise/softmax.h"
#include "tests/kernels/numbers.h"

namespace gremium::kernels {
namespace {

class Softmax : public EachVariant {};

double logsumexp_64(const double* x, size_t n) {
    const double top = *std::max_element(x, x + n);
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += std::exp(x[i] - top);
    return top + std::log(sum);
}

Doubles softmax_64(Doubles x, size_t cols) {
    for (size_t at = 0; at < x.size(); at += cols) {
        const double lse = logsumexp_64(&x[at], cols);
        for (size_t i = 0; i < cols; ++i) x[at + i] = std::exp(x[at + i] - lse);
    }
    return x;
}

TEST_P(Softmax, Forward) {
    for (const int64_t cols : {1, 3, 17, 64, 255, 5000}) {
        for (const DType dtype : {DType::f32, DType::bf16}) {
            const OwnedTensor x = random_tensor(dtype, {5, cols}, 1, 10), y(dtype, {5, cols});
            softmax(y, x);
            expect_near(y, softmax_64(doubles(x), static_cast<size_t>(cols)), 1e-6);
        }
    }
}

TEST_P(Softmax, ExponentialsAreWithinTwoUlp) {
    // softmax of (x, 0, 0 ...) over many columns shows e^x; here each row is (−r, 0): y₀/y₁ = e^−r.
    constexpr int64_t rows = 20000;
    std::vector<float> x(2 * rows);
    for (size_t t = 0; t < rows; ++t) x[2 * t] = -static_cast<float>(t) * 0.00434f;
    softmax(as_tensor(x.data(), {rows, 2}), as_tensor(x.data(), {rows, 2}));
    for (size_t t = 0; t < rows; ++t) {
        const double r = static_cast<double>(static_cast<float>(t) * 0.00434f),
                     expected = std::exp(-r) / (1 + std::exp(-r));
        ASSERT_NEAR(x[2 * t] / expected, 1, 4e-7) << r;
    }
}

TEST_P(Softmax, MaskedColumnsAreExactlyZero) {
    std::vector<float> x{-INFINITY, 1, -INFINITY, 1, -1e30f};
    softmax(as_tensor(x.data(), {5}), as_tensor(x.data(), {5}));
    EXPECT_EQ(x, (std::vector<float>{0, 0.5, 0, 0.5, 0}));
}

TEST_P(Softmax, Backward) {
    for (const int64_t cols : {1, 3, 17, 64}) {
        const OwnedTensor x = random_tensor(DType::f32, {3, cols}, 1), y(DType::f32, {3, cols});
        const OwnedTensor dy = random_tensor(DType::f32, {3, cols}, 2), dx = random_tensor(DType::f32, {3, cols}, 3);
        const Doubles before = doubles(dx), dy64 = doubles(dy);
        softmax(y, x);
        softmax_backward(dx, dy, y);
        Doubles x64 = doubles(x);
        const auto loss = [&] { return dot(dy64, softmax_64(x64, static_cast<size_t>(cols))); };
        expect_near(dx, plus(before, gradient(x64, loss)), 1e-6);
    }
}

TEST_P(Softmax, CrossEntropy) {
    for (const int64_t vocabulary : {1, 3, 17, 255, 4099}) {
        const int64_t rows = 9;
        const OwnedTensor logits = random_tensor(DType::f32, {rows, vocabulary}, 1, 5);
        const Doubles x = doubles(logits);
        Doubles expected = softmax_64(x, static_cast<size_t>(vocabulary));
        std::vector<float> loss(9), logsumexp(9);
        std::vector<int32_t> targets(9);
        for (size_t t = 0; t < 9; ++t)
            targets[t] = t == 4 ? -1 : static_cast<int32_t>((t * 577) % static_cast<size_t>(vocabulary));
        const float scale = 0.125f;
        cross_entropy(loss, logsumexp, logits, targets, scale);
        for (size_t t = 0; t < 9; ++t) {
            const size_t row = t * static_cast<size_t>(vocabulary), target = row + static_cast<size_t>(targets[t]);
            const double lse = logsumexp_64(&x[row], static_cast<size_t>(vocabulary));
            EXPECT_NEAR(logsumexp[t], lse, 2e-6 * (1 + std::abs(lse)));
            EXPECT_NEAR(loss[t], t == 4 ? 0 : lse - x[target], 5e-6 * (1 + std::abs(lse)));
            if (t != 4) expected[target] -= 1;
            for (size_t i = 0; i < static_cast<size_t>(vocabulary); ++i) expected[row + i] *= t == 4 ? 0 : scale;
        }
        expect_near(logits, expected, 1e-6);
        cross_entropy(loss, {}, logits, targets, scale);  // the logsumexps are optional
    }
}

TEST_P(Softmax, ATargetOutsideTheVocabularyIsAnError) {
    std::vector<float> logits(4), loss(1);
    const std::vector<int32_t> targets{4};
    EXPECT_THROW(cross_entropy(loss, {}, as_tensor(logits.data(), {1, 4}), targets, 1), Error);
}

TEST_P(Softmax, AnUnboundedLossIsNotHidden) {
    std::vector<float> logits{0, NAN, 1}, loss(1);
    const std::vector<int32_t> targets{0};
    cross_entropy(loss, {}, as_tensor(logits.data(), {1, 3}), targets, 1);
    EXPECT_TRUE(std::isnan(loss[0]));
}

GREMIUM_EACH_VARIANT(Softmax);

}  // namespace
}  // namespace gremium::kernels
