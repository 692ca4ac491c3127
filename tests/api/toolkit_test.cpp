#include <gremium/toolkit.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/api/model_files.h"

namespace gremium::toolkit {
namespace {

using api::test::error_of;
using testing::HasSubstr;

// The gradient of every number of x, by backward and by differences of the loss.
void expect_gradient(const Tensor& x, std::span<const float> gradient, const std::function<double()>& loss) {
    for (int64_t i = 0; i < x.count(); ++i) {
        float& number = x.values()[static_cast<size_t>(i)];
        const float was = number, h = 1e-2f;
        number = was + h;
        const double above = loss();
        number = was - h;
        const double below = loss();
        number = was;
        EXPECT_NEAR(gradient[static_cast<size_t>(i)], (above - below) / (2 * double{h}), 2e-3) << i;
    }
}

TEST(Toolkit, OperationsHaveTheGradientsOfTheirDifferences) {
    Random random(1);
    const Tensor x = Tensor::normal({3, 4}, random);
    const Parameter gate(Tensor::normal({6, 4}, random, 0.5f)), up(Tensor::normal({6, 4}, random, 0.5f)),
        bias(Tensor::normal({6}, random)), norm(Tensor::normal({6}, random)), head(Tensor::normal({5, 6}, random));
    const std::vector<int32_t> targets{4, -1, 0};
    Tape tape;
    const auto loss = [&](Tape& on, Value in) {
        const Value hidden = silu(on, linear(on, in, gate), linear(on, in, up, bias));
        return cross_entropy(on, scale(on, rms_norm(on, add(on, hidden, hidden), norm), 0.5f), head, targets);
    };
    const Value in = tape.input(x, true);
    tape.backward(loss(tape, in));
    const std::span<const float> dx = tape.gradient(in);
    const std::vector<float> kept(dx.begin(), dx.end());
    const auto again = [&] {
        Tape other(false);
        return static_cast<double>(loss(other, other.input(x)).values()[0]);
    };
    expect_gradient(x, kept, again);
    for (const Parameter& p : {gate, up, bias, norm, head}) expect_gradient(p.value, p.gradient.values(), again);
}

TEST(Toolkit, AMixtureIsTheWeightedSumOfItsExperts) {
    Random random(2);
    const Mixture mixture({.width = 4, .hidden = 3, .experts = 5, .top_k = 2, .router_scale = 1, .expert_scale = 1},
                          random);
    ASSERT_EQ(mixture.parameters().size(), 16u);
    const Tensor x = Tensor::normal({6, 4}, random);
    Tape tape;
    const MixtureOutput out = mixture(tape, tape.input(x));
    EXPECT_EQ(out.y_TD.shape(), (std::vector<int64_t>{6, 4}));
    int64_t chosen = 0;
    for (const int64_t load : out.load_E) chosen += load;
    EXPECT_EQ(chosen, 12);
    for (int64_t t = 0; t < 6; ++t) {
        std::vector<double> expected(4);
        for (size_t j = 0; j < 2; ++j) {
            const size_t choice = static_cast<size_t>(2 * t) + j;
            const auto expert = mixture.parameters().subspan(1 + 3 * static_cast<size_t>(out.ids_Tk[choice]), 3);
            Tape one(false);
            const Value in = one.input(x[t].reshaped({1, 4}));
            const Value y = linear(one, silu(one, linear(one, in, expert[0]), linear(one, in, expert[1])), expert[2]);
            for (size_t d = 0; d < 4; ++d) expected[d] += double{out.weights_Tk.values()[choice]} * y.values()[d];
        }
        for (size_t d = 0; d < 4; ++d)
            EXPECT_NEAR(out.y_TD.values()[static_cast<size_t>(4 * t) + d], expected[d], 1e-5);
    }
}

TEST(Toolkit, TheOptimiserStepsAgainstTheGradientAndForgetsIt) {
    const Parameter p{Tensor({2})};
    AdamW optimiser({.learning_rate = 0.5f});
    p.gradient.values()[0] = 3;
    p.gradient.values()[1] = -0.01f;
    optimiser.update(std::span(&p, 1));
    EXPECT_NEAR(p.value.values()[0], -0.5f, 1e-5);  // the first step is as long as the rate
    EXPECT_NEAR(p.value.values()[1], 0.5f, 1e-5);
    EXPECT_EQ(p.gradient.values()[0], 0);
}

TEST(Toolkit, TensorsShareTheirNumbers) {
    Tensor a({2, 3});
    const Tensor row = a[1], flat = a.reshaped({6});
    row.values()[2] = 7;
    EXPECT_EQ(flat.values()[5], 7);
    a = Tensor();
    EXPECT_EQ(flat.values()[5], 7);
    EXPECT_FALSE(a);
    EXPECT_EQ(a.count(), 0);
}

TEST(Toolkit, EmbeddingLearnsTheRowsThatWereRead) {
    Random random(3);
    const Parameter table(Tensor::normal({4, 2}, random));
    Tape tape;
    const std::vector<int32_t> ids{2, 2, 0};
    const Value y = embedding(tape, table, ids);
    std::ranges::fill(tape.gradient(y), 1.0f);
    tape.backward();
    EXPECT_THAT(table.gradient.values(), testing::ElementsAre(1, 1, 0, 0, 2, 2, 0, 0));
}

TEST(Toolkit, WhatDoesNotFitIsRefused) {
    Random random(4);
    Tape tape;
    const Value x = tape.input(Tensor({2, 3}));
    const Parameter w(Tensor({4, 5})), vector(Tensor({4}));
    const std::vector<int32_t> ids{4};
    EXPECT_THAT(error_of([&] { linear(tape, x, w); }), HasSubstr("linear"));
    EXPECT_THAT(error_of([&] { linear(tape, x, vector); }), HasSubstr("matrix"));
    EXPECT_THAT(error_of([&] { rms_norm(tape, x, vector); }), HasSubstr("[3] expected, got [4]"));
    EXPECT_THAT(error_of([&] { add(tape, x, tape.input(Tensor({3, 2}))); }), HasSubstr("add"));
    EXPECT_THAT(error_of([&] { silu(tape, x, Value()); }), HasSubstr("no operation"));
    EXPECT_THAT(error_of([&] { embedding(tape, w, ids); }), HasSubstr("4 is outside 0 to 3"));
    EXPECT_THAT(error_of([&] { cross_entropy(tape, x, w, ids); }), HasSubstr("cross_entropy"));
    EXPECT_THAT(error_of([&] { tape.backward(x); }), HasSubstr("single number"));
    EXPECT_THAT(error_of([&] { tape.input(Tensor()); }), HasSubstr("empty"));
    EXPECT_THAT(error_of([&] { Tensor({2, 0}); }), HasSubstr("dimension of 0"));
    EXPECT_THAT(error_of([&] { Tensor({1, 1, 1, 1, 1}); }), HasSubstr("5 dimensions"));
    EXPECT_THAT(error_of([&] { Tensor({2, 3}).reshaped({5}); }), HasSubstr("6 numbers"));
    EXPECT_THAT(error_of([&] { Tensor({2, 3})[2]; }), HasSubstr("no part 2"));
    EXPECT_THAT(error_of([&] { matmul(Tensor({2, 4}), Tensor({2, 3}), Tensor({4, 5})); }), HasSubstr("matmul"));
    EXPECT_THAT(error_of([&] { Mixture({.width = 4, .hidden = 3, .experts = 2, .top_k = 3}, random); }),
                HasSubstr("3 experts per token"));
    EXPECT_THAT(error_of([&] { Mixture({.width = 4, .hidden = 3}, random); }), HasSubstr("0 experts"));
    const Mixture mixture({.width = 4, .hidden = 3, .experts = 2}, random);
    EXPECT_THAT(error_of([&] { mixture(tape, x); }), HasSubstr("width of 3, expected 4"));
}

}  // namespace
}  // namespace gremium::toolkit
