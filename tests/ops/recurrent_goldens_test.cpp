// Recurrent mixers by hand: one head, three or four tokens, numbers worked out outside this program.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/simd/variant.h"
#include "ops/ops.h"
#include "tests/ops/gradient_check.h"

namespace gremium::ops {
namespace {

class RecurrentGoldens : public testing::Test {
  protected:
    Var input(Shape shape, std::initializer_list<float> values) {
        const OwnedTensor& t = kept_.emplace_back(DType::f32, shape);
        std::copy(values.begin(), values.end(), t.get().f32());
        return g_.input(t);
    }
    Weight weight(Shape shape, std::initializer_list<float> values) { return {input(shape, values)->value, {}}; }
    static void expect(Var y, std::initializer_list<float> expected, double tolerance = 2e-6) {
        ASSERT_EQ(y->value.count(), std::ssize(expected));
        const float* actual = y->value.f32();
        for (const float value : expected) EXPECT_NEAR(*actual++, value, tolerance);
    }
    static void expect(TensorView t, std::initializer_list<float> expected) {
        const float* actual = t.f32();
        for (const float value : expected) EXPECT_NEAR(*actual++, value, 2e-6);
    }

    // Yang et al. (2024) and Kimi Team (2025) on the same data: queries, keys and values of three tokens.
    Var delta(Var decay, Tensor state) {
        const auto unit = [&](Var x) { return rms_norm(g_, x, {}, 1e-6f / 2, 2, DType::f32); };
        const Var q = unit(input({3, 2}, {1, .5f, -.5f, 1, .25f, -1}));
        const Var k = unit(input({3, 2}, {.5f, -1, 1, 1, -2, .5f}));
        const Var v = input({3, 2}, {1, 2, -1, .5f, .5f, -3});
        const Var beta = activate(g_, input({3, 1}, {0, 1, -.5f}), nullptr, Activation::sigmoid);
        expect(beta, {.5f, .7310586f, .3775407f});
        const GoesOn all{0, 3, state};
        const float root = std::sqrt(.5f);
        return matrix_state(g_, {q, k, v, decay, beta}, {.heads = 1, .key_heads = 1, .q_scale = .5f, .k_scale = root},
                            3, {&all, 1});
    }
    // The last row of o, normed and gated.
    Var gated(Var o, Activation kind) {
        const Var last = g_.input({o->value.row(2), DType::f32, {1, 2}});
        const Var normed = rms_norm(g_, last, weight({2}, {1.5f, .5f}), 1e-6f, 2, DType::f32);
        return activate(g_, input({1, 2}, {.5f, -1}), normed, kind);
    }

    Arena arena_{1 << 16};
    Graph g_{arena_, {}};
    std::deque<OwnedTensor> kept_;
    OwnedTensor state_{DType::f32, {1, 2, 2}};
};

TEST_F(RecurrentGoldens, GatedDeltaNet) {
    const Var raw = input({3, 1}, {.6f, -.9f, 2.1f});  // with the bias
    const Var decay =
        scale_columns(g_, activate(g_, raw, nullptr, Activation::softplus), weight({1}, {.25f}), FactorOf::minus_exp);
    expect(decay, {-1.332161f, -.4380502f, -2.844783f});
    const Var o = delta(decay, state_);
    expect(o, {0, 0, -.3749363f, -.3411986f, -.03504407f, .3868965f});
    expect(state_.get(), {-.1990141f, 1.122164f, .001331573f, -.2834529f});
    expect(gated(o, Activation::silu), {-.0595566f, -.1893937f});
}

TEST_F(RecurrentGoldens, KimiDeltaAttention) {
    // The second channel's: −a + 0.2.
    const Var raw = input({3, 2}, {.6f, -.3f, -.9f, 1.2f, 2.1f, -1.8f});
    const Var decay =
        scale_columns(g_, activate(g_, raw, nullptr, Activation::softplus), weight({1}, {.25f}), FactorOf::minus_exp);
    const Var o = delta(decay, state_);
    expect(o, {0, 0, -.2610876f, -.1135012f, .2662165f, .342598f});
    expect(state_.get(), {-.2428889f, 1.122068f, -.4487963f, -.2189014f});
    expect(gated(o, Activation::sigmoid), {.8101933f, .1501633f});
}

TEST_F(RecurrentGoldens, Mamba2) {
    const Var x = input({3, 2}, {1, -2, .5f, 1, -1, 3});
    const Var step = activate(g_, input({3, 1}, {.5f, -.5f, 1.4f}), nullptr, Activation::softplus);
    expect(step, {.974077f, .474077f, 1.620417f});
    const MatrixStateVars vars{.q_TK = input({3, 2}, {.5f, 1, 1, -1, 2, 0}),
                               .k_TK = input({3, 2}, {1, .5f, -1, 2, .5f, .5f}),
                               .v_TV = multiply_rows(g_, x, step),
                               .decay = scale_columns(g_, step, weight({1}, {.5f}), FactorOf::minus_exp),
                               .beta_TH = nullptr};
    const Var scanned = matrix_state(g_, vars, {.heads = 1, .key_heads = 1}, 3, {});
    const Var y = add(g_, scanned, scale_columns(g_, x, weight({1}, {.75f})));
    expect(y, {1.724077f, -3.448154f, -.1132157f, -1.118031f, -2.34155f, 6.922406f}, 5e-6);
    const Var gated =
        activate(g_, input({1, 2}, {.5f, -1}), g_.input({y->value.row(2), DType::f32, {1, 2}}), Activation::silu);
    const Var normed = rms_norm(g_, gated, {}, 1e-5f, 2, DType::f32);
    expect(scale_columns(g_, normed, weight({2}, {1.5f, .5f})), {-.7732451f, -.6584552f});
}

TEST_F(RecurrentGoldens, ShortConvolution) {
    const Var b = input({4, 1}, {1, 2, -1, .5f}), x = input({4, 1}, {.5f, 1, 2, -1}),
              c = input({4, 1}, {1, -1, 2, .5f});
    const Var u = activate(g_, b, x, Activation::identity);
    expect(u, {.5f, 2, -2, -.5f});
    const Var seen = causal_conv(g_, u, weight({1, 3}, {.25f, -.5f, 1}), {}, 4, {});
    expect(activate(g_, c, seen, Activation::identity), {.5f, -1.75f, -5.75f, .5f});
}

}  // namespace
}  // namespace gremium::ops
