// Every operation's gradient equals central differences.
#include <cmath>
#include <vector>

#include "ops/ops.h"
#include "tests/ops/gradient_check.h"

namespace gremium::ops {
namespace {

TEST(Gradients, Linear) {
    GradientCheck check;
    check.input({5, 7});
    const Weight w = check.weight({6, 7}), bias = check.weight({6});
    check.run([&](Graph& g, auto x) { return linear(g, x[0], w, bias); });
}

TEST(Gradients, LinearsThatShareTheirInput) {
    GradientCheck check;
    check.input({5, 7});
    const Affine parts[] = {{check.weight({6, 7}), check.weight({6})}, {check.weight({6, 7}), {}}};
    check.run([&](Graph& g, auto x) {
        const std::vector<Var> y = linears(g, x[0], parts);
        return activate(g, y[0], y[1], Activation::silu);
    });
}

TEST(Gradients, LinearOfInputUsedTwice) {
    GradientCheck check;
    check.input({3, 4});
    const Weight w = check.weight({4, 4});
    check.run([&](Graph& g, auto x) { return linear(g, linear_f32(g, x[0], w), w); });
}

TEST(Gradients, GroupedLinear) {
    GradientCheck check;
    check.input({6, 5});
    const std::vector<Weight> w{check.weight({4, 5}), {}, check.weight({4, 5})};  // the second expert is empty
    const std::vector<int32_t> offsets{0, 4, 4, 6};
    check.run([&](Graph& g, auto x) { return grouped_linear(g, x[0], w, offsets, {}, DType::f32); });
}

TEST(Gradients, GroupedLinearGathers) {
    GradientCheck check;
    check.input({4, 5});
    const std::vector<Weight> w{check.weight({3, 5}), check.weight({3, 5}), check.weight({3, 5})};
    const std::vector<int32_t> offsets{0, 3, 3, 6}, rows{0, 1, 3, 0, 3, 0};  // token 2 is dropped, expert 1 idle
    check.run([&](Graph& g, auto x) { return grouped_linear(g, x[0], w, offsets, rows, DType::f32); });
}

TEST(Gradients, RmsNorm) {
    for (const int64_t group : {12, 4}) {
        GradientCheck check;
        check.input({3, 12});
        const Weight w = check.weight({group});
        check.run([&](Graph& g, auto x) { return rms_norm(g, x[0], w, 1e-5f, group, DType::f32); });
    }
}

TEST(Gradients, RmsNormOfFrozenInput) {
    const OwnedTensor x = random_tensor({3, 6}, 1);
    GradientCheck check;
    const Weight w = check.weight({6});
    check.run([&](Graph& g, auto) { return rms_norm(g, g.input(x), w, 1e-5f, 6, DType::f32); });
}

TEST(Gradients, LayerNorm) {
    GradientCheck check;
    check.input({3, 10});
    const Weight w = check.weight({10}), b = check.weight({10});
    check.run([&](Graph& g, auto x) { return layer_norm(g, x[0], w, b, 1e-5f, DType::f32); });
}

TEST(Gradients, Softmax) {
    GradientCheck check;
    check.input({4, 6});
    check.run([&](Graph& g, auto x) { return softmax(g, x[0]); });
}

TEST(Gradients, CausalConvolution) {
    GradientCheck check;
    check.input({6, 5});
    const Weight w = check.weight({5, 3}), bias = check.weight({5});
    check.run([&](Graph& g, auto x) { return causal_conv(g, x[0], w, bias, 3, {}); });
}

TEST(Gradients, SelectiveScan) {
    for (const bool log_rates : {false, true}) {
        GradientCheck check;
        check.input({6, 5});
        check.input({6, 5});
        check.input({6, 3});
        check.input({6, 3});
        const ScanWeights w{check.weight({5, 3}, 0.3f), check.weight({5}), log_rates};
        check.run([&](Graph& g, auto x) { return selective_scan(g, {x[0], x[1], x[2], x[3]}, w, 3, {}); });
    }
}

TEST(Gradients, CausalConvolutionWithoutBias) {
    GradientCheck check;
    check.input({6, 5});
    const Weight w = check.weight({5, 3});
    check.run([&](Graph& g, auto x) { return causal_conv(g, x[0], w, {}, 3, {}); });
}

TEST(Gradients, MatrixState) {
    for (const bool beta : {false, true}) {
        GradientCheck check;
        check.input({6, 6});
        check.input({6, 6});
        check.input({6, 8});
        check.input({6, 4});
        if (beta) check.input({6, 4});
        check.run([&](Graph& g, auto x) {
            const Var decay = scale(g, activate(g, x[3], nullptr, Activation::softplus), -1);
            const Var share = beta ? activate(g, x[4], nullptr, Activation::sigmoid) : nullptr;
            return matrix_state(g, {x[0], x[1], x[2], decay, share},
                                {.heads = 4, .key_heads = 2, .tiled = true, .k_scale = 0.5f}, 3, {});
        });
    }
}

TEST(Gradients, ScaleColumns) {
    for (const FactorOf f : {FactorOf::weight, FactorOf::minus_exp, FactorOf::exp}) {
        GradientCheck check;
        check.input({5, 6});
        const Weight w = check.weight({3});
        check.run([&](Graph& g, auto x) { return scale_columns(g, x[0], w, f); });
    }
}

TEST(Gradients, GatedActivations) {
    for (const Activation kind :
         {Activation::silu, Activation::gelu, Activation::gelu_erf, Activation::clamped_swiglu,
          Activation::relu_squared, Activation::sigmoid, Activation::softplus, Activation::capped_swiglu}) {
        GradientCheck check;
        check.input({4, 7});
        check.input({4, 7});
        check.run([&](Graph& g, auto x) { return activate(g, x[0], x[1], kind); });
    }
}

TEST(Gradients, PlainActivations) {
    for (const Activation kind : {Activation::silu, Activation::gelu, Activation::gelu_erf, Activation::relu,
                                  Activation::relu_squared, Activation::sigmoid, Activation::softplus}) {
        GradientCheck check;
        check.step = 1e-3;  // relu: no element is that near its corner
        check.input({4, 7});
        check.run([&](Graph& g, auto x) { return activate(g, x[0], nullptr, kind); });
    }
}

TEST(Gradients, AddScaleMultiplySigmoid) {
    GradientCheck check;
    check.input({5, 6});
    check.input({5, 6});
    const Weight w = check.weight({1, 6});
    check.run([&](Graph& g, auto x) {
        const Var gate = sigmoid(g, linear_f32(g, x[0], w));
        const Var sum = add(g, scale(g, x[0], 0.7f), multiply_rows(g, x[1], gate));
        return add(g, sum, x[0]);  // one input used three times
    });
}

TEST(Gradients, Clip) {
    GradientCheck check;
    check.step = 1e-3;  // no element is that near the limit
    check.input({5, 6});
    check.run([&](Graph& g, auto x) { return scale(g, clip(g, x[0], 0.61f), 0.7f); });
}

TEST(Gradients, MultiplyRowsByAFactorAHead) {
    GradientCheck check;
    check.input({5, 6});
    const Weight w = check.weight({3, 6});
    check.run([&](Graph& g, auto x) {
        return multiply_rows(g, x[0], activate(g, linear_f32(g, x[0], w), nullptr, Activation::softplus));
    });
}

TEST(Gradients, Rope) {
    const std::vector<int32_t> positions{0, 3, 1, 7};
    const OwnedTensor table = random_tensor({8, 4}, 3);  // any numbers: the rotation is linear in x
    for (const RopePairing pairing : {RopePairing::interleaved, RopePairing::half_split}) {
        OwnedTensor cos_sin(DType::f32, {8, 4});
        for (int64_t p = 0; p < 8; ++p) {
            for (int64_t i = 0; i < 2; ++i) {
                const float angle = table.get().f32()[p * 4 + i];
                cos_sin.get().f32()[p * 4 + i] = std::cos(angle);
                cos_sin.get().f32()[p * 4 + 2 + i] = std::sin(angle);
            }
        }
        GradientCheck check;
        check.input({4, 12});  // two heads of 6, of which 4 dimensions turn
        check.run([&](Graph& g, auto x) { return rope(g, scale(g, x[0], 2), cos_sin, positions, 6, 4, pairing); });
    }
}

// Sequences of a length, each with its own rows of k and v (which may be null).
std::vector<AttentionSpan> own_rows(Var k, Var v, int64_t length) {
    const auto rows = [&](Var of, int64_t first) {
        if (!of) return TensorView{};
        const TensorView t = of->value;
        return TensorView{t.row(first), t.dtype, {length, t.cols()}};
    };
    std::vector<AttentionSpan> spans;
    for (int64_t first = 0; first < k->value.rows(); first += length)
        spans.push_back({first, length, 0, rows(k, first), rows(v, first)});
    return spans;
}

TEST(Gradients, Attention) {
    struct Case {
        int64_t heads, kv_heads, head_dim, value_dim, window;
    };
    for (const Case& c : {Case{2, 2, 4, 4, 0}, Case{4, 2, 4, 4, 0}, Case{4, 1, 4, 6, 3}}) {
        constexpr int64_t length = 6, sequences = 2;
        GradientCheck check;
        check.input({length * sequences, c.heads * c.head_dim});
        check.input({length * sequences, c.kv_heads * c.head_dim});
        check.input({length * sequences, c.kv_heads * c.value_dim});
        const AttentionShape shape{.heads = c.heads,
                                   .kv_heads = c.kv_heads,
                                   .head_dim = c.head_dim,
                                   .value_dim = c.value_dim,
                                   .scale = 0.5f,
                                   .window = c.window};
        check.run([&](Graph& g, auto x) {
            return attention(g, x[0], x[1], x[2], own_rows(x[1], x[2], length), shape, length);
        });
    }
}

// A row of heads cut into parts, one of which goes through a matrix of each head, and joined again.
TEST(Gradients, PartsOfHeads) {
    GradientCheck check;
    check.input({4, 3 * 5});
    const Weight w = check.weight({3, 4, 2});
    check.run([&](Graph& g, auto x) {
        const Var first = head_columns(g, x[0], 3, 0, 2), last = head_columns(g, x[0], 3, 1, 4);
        return concat_heads(g, heads_linear(g, first, w, DType::f32), last, 3);
    });
}

TEST(Gradients, HeadsLinearMultipliesEachHeadByItsMatrix) {
    const OwnedTensor x = random_tensor({2, 6}, 1), w = random_tensor({3, 4, 2}, 2);
    Arena arena(1 << 16);
    Graph g(arena, {});
    const Var y = heads_linear(g, g.input(x), {w, {}}, DType::f32);
    for (int64_t t = 0; t < 2; ++t)
        for (int64_t h = 0; h < 3; ++h)
            for (int64_t n = 0; n < 4; ++n) {
                double sum = 0;
                for (int64_t k = 0; k < 2; ++k)
                    sum += double{floats(w)[static_cast<size_t>((h * 4 + n) * 2 + k)]} *
                           floats(x)[static_cast<size_t>(t * 6 + h * 2 + k)];
                EXPECT_NEAR(floats(y->value)[static_cast<size_t>(t * 12 + h * 4 + n)], sum, 1e-5);
            }
}

TEST(Gradients, AddBias) {
    GradientCheck check;
    check.input({5, 6});
    const Weight bias = check.weight({6});
    check.run([&](Graph& g, auto x) { return add_bias(g, scale(g, x[0], 2), bias); });
}

// Values in the keys: latent attention.
TEST(Gradients, AttentionOverOneTensor) {
    constexpr int64_t length = 6, sequences = 2;
    GradientCheck check;
    check.input({length * sequences, 4 * 5});
    check.input({length * sequences, 2 * 5});
    const AttentionShape shape{.heads = 4, .kv_heads = 2, .head_dim = 5, .value_dim = 3, .scale = 0.5f};
    check.run([&](Graph& g, auto x) {
        return attention(g, x[0], x[1], nullptr, own_rows(x[1], nullptr, length), shape, length);
    });
}

TEST(Gradients, AttentionWithSinksAndChunks) {
    constexpr int64_t length = 7, sequences = 2;
    GradientCheck check;
    for (const int64_t columns : {4 * 3, 2 * 3, 2 * 4}) check.input({length * sequences, columns});
    const Weight sinks = check.weight({4});
    const AttentionShape shape{.heads = 4, .kv_heads = 2, .head_dim = 3, .value_dim = 4, .scale = 0.5f, .chunk = 3};
    check.run([&](Graph& g, auto x) {
        return attention(g, x[0], x[1], x[2], own_rows(x[1], x[2], length), shape, length, sinks);
    });
}

TEST(Gradients, Embedding) {
    const std::vector<int32_t> ids{2, 0, 2, 4};
    GradientCheck check;
    const Weight table = check.weight({5, 3});
    check.run([&](Graph& g, auto) { return embedding(g, table, ids); });
}

TEST(Gradients, CrossEntropy) {
    const std::vector<int32_t> targets{3, -1, 0, 4, 4, -1, 2};
    for (const int64_t chunk : {1, 3, 100}) {
        for (const bool biased : {false, true}) {
            GradientCheck check;
            check.input({7, 4});
            const Weight head = check.weight({5, 4}), bias = biased ? check.weight({5}) : Weight{};
            check.run([&](Graph& g, auto x) {
                return cross_entropy(g, x[0], head, targets, {.bias = bias, .chunk = chunk});
            });
        }
    }
}

TEST(Gradients, LossesCombine) {
    const std::vector<int32_t> targets{3, 1, 0};
    GradientCheck check;
    check.input({3, 4});
    const Weight head = check.weight({5, 4});
    check.run([&](Graph& g, auto x) {
        const Var a = cross_entropy(g, x[0], head, targets);
        const Var b = cross_entropy(g, scale(g, x[0], 2), head, targets);
        return add_scaled(g, add_scaled(g, a, b, -0.3f), b, 0.1f);
    });
}

// In bf16 the gradient is that of the rounded function up to rounding: compare with the f32 gradient.
TEST(Gradients, Bf16FollowsF32) {
    const OwnedTensor x = random_tensor({16, 32}, 1), w = random_tensor({24, 32}, 2, 0.2f),
                      norm = random_tensor({32}, 3);
    const auto gradients = [&](DType compute) {
        OwnedTensor dw(DType::f32, {24, 32}), dnorm(DType::f32, {32});
        Arena arena(1 << 16);
        Graph g(arena, {.record = true, .compute = compute, .activation = compute});
        const Var in = g.input(x, true);
        const Var h = rms_norm(g, in, {norm, dnorm}, 1e-5f, 32, compute);
        const Var y = activate(g, linear(g, h, {w, dw}), nullptr, Activation::silu);
        std::ranges::copy(random_factors(y->value.count()), g.grad_of(y).f32());
        g.backward();
        std::vector<float> all(floats(dw).begin(), floats(dw).end());
        all.insert(all.end(), floats(dnorm).begin(), floats(dnorm).end());
        all.insert(all.end(), floats(in->grad).begin(), floats(in->grad).end());
        return all;
    };
    const std::vector<float> exact = gradients(DType::f32), rounded = gradients(DType::bf16);
    double error = 0, size = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
        error += std::pow(exact[i] - rounded[i], 2);
        size += std::pow(exact[i], 2);
    }
    EXPECT_LT(std::sqrt(error / size), 0.01);
    EXPECT_GT(error, 0) << "bf16 was not used";
}

}  // namespace
}  // namespace gremium::ops
