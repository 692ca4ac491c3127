#include "kernels/rowwise/activation.h"
#include "tests/kernels/numbers.h"

namespace gremium::kernels {
namespace {

class Activations : public EachVariant {};

constexpr Activation::Kind kinds[] = {Activation::silu, Activation::gelu, Activation::gelu_erf, Activation::relu};
constexpr Activation::Kind all_kinds[] = {Activation::silu,     Activation::gelu,         Activation::gelu_erf,
                                          Activation::relu,     Activation::relu_squared, Activation::sigmoid,
                                          Activation::softplus, Activation::identity};

double value_64(const Activation& of, double x) {
    switch (of.kind) {
        case Activation::silu:
            return x / (1 + std::exp(-x));
        case Activation::gelu:
            return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        case Activation::gelu_erf:
            return 0.5 * x * std::erfc(-x / std::sqrt(2));
        case Activation::relu:
            return std::max(x, 0.0);
        case Activation::clamped_swiglu:
            return std::min(x, double{of.limit}) / (1 + std::exp(-of.alpha * std::min(x, double{of.limit})));
        case Activation::relu_squared:
            return std::max(x, 0.0) * std::max(x, 0.0);
        case Activation::sigmoid:
            return 1 / (1 + std::exp(-x));
        case Activation::softplus:
            return std::log1p(std::exp(x));
        case Activation::identity:
            return x;
        case Activation::capped_swiglu:
            return std::min(x / (1 + std::exp(-x)), double{of.limit});
    }
    return 0;
}

double slope_64(const Activation& kind, double x) {
    return (value_64(kind, x + 1e-6) - value_64(kind, x - 1e-6)) / 2e-6;
}

TEST_P(Activations, GatedAndPlain) {
    for (const Activation kind : all_kinds) {
        for (const DType dtype : {DType::f32, DType::bf16}) {
            const OwnedTensor gate = random_tensor(dtype, {7, 65}, 1, 4), up = random_tensor(dtype, {7, 65}, 2);
            const OwnedTensor gated(dtype, {7, 65}), plain(dtype, {7, 65});
            activate(gated, gate, up, kind);
            activate(plain, gate, {}, kind);
            Doubles y = doubles(gate), gated_y = doubles(up);
            for (size_t i = 0; i < y.size(); ++i) gated_y[i] *= y[i] = value_64(kind, y[i]);
            expect_near(plain, y);
            expect_near(gated, gated_y);
        }
    }
}

TEST_P(Activations, Backward) {
    for (const Activation kind : all_kinds) {
        for (const DType dtype : {DType::f32, DType::bf16}) {
            const OwnedTensor gate = random_tensor(dtype, {5, 255}, 1, 4), up = random_tensor(dtype, {5, 255}, 2);
            const OwnedTensor dy = random_tensor(DType::f32, {5, 255}, 3);
            const OwnedTensor dgate(DType::f32, {5, 255}), dup(DType::f32, {5, 255}), plain(DType::f32, {5, 255});
            activate_backward(dgate, dup, dy, gate, up, kind);
            activate_backward(plain, {}, dy, gate, {}, kind);
            const Doubles x = doubles(gate), u = doubles(up), g = doubles(dy);
            Doubles dx(x.size()), du(x.size()), dplain(x.size());
            for (size_t i = 0; i < x.size(); ++i) {
                dplain[i] = g[i] * slope_64(kind, x[i]);
                dx[i] = dplain[i] * u[i];
                du[i] = g[i] * value_64(kind, x[i]);
            }
            expect_near(dgate, dx, 5e-6);
            expect_near(dup, du, 5e-6);
            expect_near(plain, dplain, 5e-6);
        }
    }
}

TEST_P(Activations, FarFromZeroIsZeroOrIdentity) {
    std::vector<float> x{-1e5f, -2000, -120, -89, 89, 120, 2000, 1e10f}, y(8), dx(8), ones(8, 1);
    for (const Activation kind : kinds) {
        const Tensor out = as_tensor(y.data(), {8}), slope = as_tensor(dx.data(), {8});
        activate(out, as_tensor(x.data(), {8}), {}, kind);
        activate_backward(slope, {}, as_tensor(ones.data(), {8}), as_tensor(x.data(), {8}), {}, kind);
        for (size_t i = 0; i < 8; ++i) {
            EXPECT_NEAR(y[i], x[i] < 0 ? 0 : x[i], 1e-20) << x[i];
            EXPECT_NEAR(dx[i], x[i] < 0 ? 0 : 1, 1e-20) << x[i];
        }
    }
}

TEST_P(Activations, NaNStaysVisible) {
    float x = NAN, y = 0;
    for (const Activation kind : {Activation::silu, Activation::gelu, Activation::gelu_erf, Activation::relu_squared,
                                  Activation::sigmoid, Activation::softplus}) {
        activate(as_tensor(&y, {1}), as_tensor(&x, {1}), {}, kind);
        EXPECT_TRUE(std::isnan(y));
    }
}

// OpenAI's formula at four points, on both sides of the limits.
TEST_P(Activations, ClampedSwiglu) {
    std::vector<float> gate{1, -1, 8, 7}, up{1, .5f, -9, 7}, y(4);
    const auto row = [](std::vector<float>& v) { return as_tensor(v.data(), {4}); };
    activate(row(y), row(gate), row(up), Activation::clamped_swiglu);
    const double expected[] = {1.691592, -.231306, -41.999719, 55.999625};
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(y[i], expected[i], 1e-5);
}

// Cut behind the SiLU and above alone, what it multiplies on both sides.
TEST_P(Activations, CappedSwiglu) {
    Activation kind = Activation::capped_swiglu;
    kind.limit = 0.5f;
    std::vector<float> gate{0.25f, -1, 8, 0.9f, -9}, up{0.4f, .25f, -9, 6, 0.3f}, y(5), dgate(5), dup(5), ones(5, 1);
    const auto row = [](std::vector<float>& v) { return as_tensor(v.data(), {5}); };
    activate(row(y), row(gate), row(up), kind);
    activate_backward(row(dgate), row(dup), row(ones), row(gate), row(up), kind);
    const auto at = [&](double g, double u) { return value_64(kind, g) * std::clamp(u, -0.5, 0.5); };
    for (size_t i = 0; i < 5; ++i) {
        const double h = 1e-6, g = gate[i], u = up[i];
        EXPECT_NEAR(y[i], at(g, u), 1e-6);
        EXPECT_NEAR(dgate[i], (at(g + h, u) - at(g - h, u)) / (2 * h), 1e-5);
        EXPECT_NEAR(dup[i], (at(g, u + h) - at(g, u - h)) / (2 * h), 1e-5);
    }
}

TEST_P(Activations, ClampedSwigluTakesItsNumbersFromTheModel) {
    for (const auto& [limit, alpha] : {std::pair{7.f, 1.702f}, std::pair{2.5f, 1.f}}) {
        Activation kind = Activation::clamped_swiglu;
        kind.limit = limit, kind.alpha = alpha;
        std::vector<float> gate{1, -1, 8, 6.5f, -9}, up{1, .5f, -9, 6, 20}, y(5), dgate(5), dup(5), ones(5, 1);
        const auto row = [](std::vector<float>& v) { return as_tensor(v.data(), {5}); };
        activate(row(y), row(gate), row(up), kind);
        activate_backward(row(dgate), row(dup), row(ones), row(gate), row(up), kind);
        const auto at = [&](double g, double u) {
            return value_64(kind, g) * (std::clamp(u, -double{limit}, double{limit}) + 1);
        };
        for (size_t i = 0; i < 5; ++i) {
            const double h = 1e-6, g = gate[i], u = up[i];
            EXPECT_NEAR(y[i], at(g, u), 1e-5);
            EXPECT_NEAR(dgate[i], (at(g + h, u) - at(g - h, u)) / (2 * h), 1e-5);
            EXPECT_NEAR(dup[i], (at(g, u + h) - at(g, u - h)) / (2 * h), 1e-5);
        }
    }
}

GREMIUM_EACH_VARIANT(Activations);

}  // namespace
}  // namespace gremium::kernels
