// The whole layer: gradients, and the invariants of the design.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/parallel.h"
#include "moe/mixture.h"
#include "moe/store/stores.h"
#include "tests/ops/gradient_check.h"

namespace gremium::moe {
namespace {

using ops::Activation;
using ops::floats;
using ops::GradientCheck;
using ops::Graph;
using ops::random_tensor;
using ops::same_bits;
using ops::Var;
using ops::Weight;
using Score = RouterPolicy::Score;

// A layer of random weights with gradients.
struct Layer {
    int64_t experts, dim, hidden;
    bool gated = true;
    std::vector<OwnedTensor> values, grads;
    std::unique_ptr<ExpertStore> store;
    Weight router;

    Layer(int64_t experts_, int64_t dim_, int64_t hidden_, bool gated_ = true)
        : experts(experts_), dim(dim_), hidden(hidden_), gated(gated_) {
        std::vector<ExpertWeights> all;
        router = weight({experts, dim}, 1);
        for (int64_t e = 0; e < experts; ++e) {
            const Weight gate = gated ? weight({hidden, dim}, 0.5f) : Weight{};
            all.push_back({gate, weight({hidden, dim}, 0.5f), weight({dim, hidden}, 0.5f)});
        }
        store = make_expert_store({all}, Residency::resident);
    }
    Weight weight(Shape shape, float scale) {
        values.push_back(random_tensor(shape, values.size() + 10, scale));
        grads.emplace_back(DType::f32, shape);
        return {values.back(), grads.back()};
    }
    MoeOutput run(Graph& g, Var x, const RouterPolicy& policy, RoutingHook* hook = nullptr) {
        const Weight no_bias;
        const HookedRows all{hook, 0, x->value.rows(), {}};
        return mixture(
            g, x, policy,
            {.router_ED = router, .bias_E = no_bias, .correction_E = {}, .hooked = std::span(&all, hook ? 1 : 0)},
            *store, Activation::silu);
    }
};

// Output, then gradients of x and all weights under fixed random output gradients and both losses.
std::vector<float> output_and_gradients(Layer& layer, const OwnedTensor& x, const RouterPolicy& policy, DType compute,
                                        RoutingHook* hook = nullptr) {
    for (const OwnedTensor& d : layer.grads) std::ranges::fill(floats(d), 0.0f);
    Arena arena(1 << 16);
    Graph g(arena, {.record = true, .compute = compute, .activation = compute});
    const Var in = g.input(x, true);
    const MoeOutput out = layer.run(g, in, policy, hook);
    std::vector<float> result(floats(out.y_TD->value).begin(), floats(out.y_TD->value).end());
    std::ranges::copy(ops::random_factors(out.y_TD->value.count()), g.grad_of(out.y_TD).f32());
    g.backward(ops::add_scaled(g, out.routing.balance_loss, out.routing.z_loss, 0.1f));
    result.insert(result.end(), floats(in->grad).begin(), floats(in->grad).end());
    for (const OwnedTensor& d : layer.grads) result.insert(result.end(), floats(d).begin(), floats(d).end());
    return result;
}

TEST(Mixture, GradientsOfEveryPolicy) {
    for (const RouterPolicy& policy :
         {RouterPolicy{.experts = 4, .top_k = 2, .normalise = true}, RouterPolicy{.experts = 4, .top_k = 1},
          RouterPolicy{.experts = 4, .top_k = 2, .score = Score::softmax_selected},
          RouterPolicy{.experts = 4, .top_k = 3, .score = Score::sigmoid, .normalise = true, .scale = 2.5f},
          RouterPolicy{.experts = 4, .top_k = 2, .score = Score::sigmoid, .weight_on_input = true}}) {
        for (const bool gated : {true, false}) {
            GradientCheck check;
            check.step = 2e-3;
            check.tolerance = 1e-2;
            check.input({5, 4});
            const Weight router = check.weight({4, 4}), no_bias;
            std::vector<ExpertWeights> experts;
            for (int e = 0; e < 4; ++e) {
                const Weight gate = gated ? check.weight({3, 4}) : Weight{};
                experts.push_back({gate, check.weight({3, 4}), check.weight({4, 3})});
            }
            const auto store = make_expert_store({experts}, Residency::mapped);
            std::vector<int32_t> chosen;
            check.run([&](Graph& g, auto x) {
                const MoeOutput out =
                    mixture(g, x[0], policy, {.router_ED = router, .bias_E = no_bias, .correction_E = {}}, *store,
                            Activation::silu);
                if (chosen.empty()) chosen = out.routing.ids_Tk;
                EXPECT_EQ(out.routing.ids_Tk, chosen) << "choose another seed";
                return out.y_TD;
            });
        }
    }
}

TEST(Mixture, GradientsOfExpertsWithBiases) {
    const RouterPolicy policy{.experts = 3, .top_k = 2, .score = Score::softmax_selected};
    for (const bool gated : {true, false}) {
        GradientCheck check;
        check.step = 2e-3;
        check.tolerance = 1e-2;
        check.input({5, 4});
        const Weight router = check.weight({3, 4}), router_bias = check.weight({3});
        std::vector<ExpertWeights> experts;
        for (int e = 0; e < 3; ++e)
            experts.push_back({.gate = gated ? check.weight({3, 4}) : Weight{},
                               .up = check.weight({3, 4}),
                               .down = check.weight({4, 3}),
                               .gate_bias = gated ? check.weight({3}) : Weight{},
                               .up_bias = check.weight({3}),
                               .down_bias = check.weight({4})});
        const auto store = make_expert_store({experts}, Residency::mapped);
        const Activation act = gated ? Activation::clamped_swiglu : Activation::silu;
        check.run([&](Graph& g, auto x) {
            return mixture(g, x[0], policy, {.router_ED = router, .bias_E = router_bias, .correction_E = {}}, *store,
                           act)
                .y_TD;
        });
    }
}

TEST(Mixture, DroppedChoicesAndIdleExperts) {
    const std::vector<int32_t> ids{0, 2, -1, 0, 2, -1, -1, -1};  // four tokens; expert 1 idle, token 3 dropped
    const DispatchPlan plan = dispatch(ids, 2, 3);
    GradientCheck check;
    check.input({4, 4});
    check.input({4, 2});
    std::vector<ExpertWeights> experts(3);
    for (const size_t e : {0, 2}) experts[e] = {check.weight({3, 4}), check.weight({3, 4}), check.weight({4, 3})};
    const auto store = make_expert_store({experts}, Residency::mapped);
    const std::vector<int32_t> used{0, 2};
    const ExpertLease lease = store->lease(0, used);
    check.run([&](Graph& g, auto x) {
        const Var y = moe::experts(g, x[0], plan, lease, Activation::gelu);
        const Var out = combine(g, y, x[1], plan, 4);
        for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(out->value.f32()[3 * 4 + i], 0) << "a dropped token's output";
        return out;
    });
}

TEST(Mixture, NoRowsAtAll) {
    const std::vector<int32_t> ids{-1, -1};
    const DispatchPlan plan = dispatch(ids, 1, 2);
    Layer layer(2, 4, 3);
    const ExpertLease lease = layer.store->lease(0, {});
    const OwnedTensor x = random_tensor({2, 4}, 1), weights = random_tensor({2, 1}, 2);
    Arena arena(1 << 16);
    Graph g(arena, {});
    const Var y = combine(g, experts(g, g.input(x), plan, lease, Activation::silu), g.input(weights), plan, 2);
    for (const float v : floats(y->value)) EXPECT_EQ(v, 0);
}

// One expert with k = 1 is the dense feed-forward with those weights: every bit of the output, and the gradients.
TEST(Mixture, OneExpertIsTheDenseFeedForward) {
    for (const DType compute : {DType::f32, DType::bf16}) {
        Layer layer(1, 32, 48);
        const OwnedTensor x = random_tensor({20, 32}, 1);
        const std::vector<float> mixed = output_and_gradients(layer, x, {.experts = 1, .top_k = 1}, compute);

        for (const OwnedTensor& d : layer.grads) std::ranges::fill(floats(d), 0.0f);
        Arena arena(1 << 16);
        Graph g(arena, {.record = true, .compute = compute, .activation = compute});
        const Var in = g.input(x, true);
        const ExpertWeights& w = layer.store->peek({0, 0});
        const Var inner = ops::activate(g, ops::linear(g, in, w.gate), ops::linear(g, in, w.up), Activation::silu);
        const Var y = ops::linear(g, inner, w.down);
        std::ranges::copy(ops::random_factors(y->value.count()), g.grad_of(y).f32());
        std::vector<float> dense = to_floats(y->value);
        g.backward();
        for (size_t i = 0; i < dense.size(); ++i) ASSERT_EQ(mixed[i], dense[i]);
        size_t at = mixed.size();
        for (size_t m = layer.grads.size(); m-- > 1;) {
            at -= static_cast<size_t>(layer.grads[m].get().count());
            for (size_t i = 0; i < floats(layer.grads[m]).size(); ++i) {
                ASSERT_NEAR(mixed[at + i], floats(layer.grads[m])[i], 1e-5) << "matrix " << m;
            }
        }
    }
}

// All experts chosen, softmax weights: the dense mixture, in double.
TEST(Mixture, AllExpertsAreTheDenseMixture) {
    constexpr int64_t experts = 3, dim = 8, hidden = 5, tokens = 6;
    Layer layer(experts, dim, hidden);
    const OwnedTensor x = random_tensor({tokens, dim}, 1);
    Arena arena(1 << 16);
    Graph g(arena, {});
    const Var y = layer.run(g, g.input(x), {.experts = experts, .top_k = experts}).y_TD;
    for (int64_t t = 0; t < tokens; ++t) {
        const auto dot = [](TensorView w, int64_t row, const auto& in) {
            double sum = 0;
            for (int64_t i = 0; i < w.cols(); ++i)
                sum += double{w.f32()[row * w.cols() + i]} * in[static_cast<size_t>(i)];
            return sum;
        };
        const std::vector<double> in(x.get().f32() + t * dim, x.get().f32() + (t + 1) * dim);
        std::vector<double> expected(dim);
        double total = 0;
        for (int e = 0; e < experts; ++e) {
            const ExpertWeights& w = layer.store->peek({0, e});
            const double score = std::exp(dot(layer.router.value, e, in));
            total += score;
            std::vector<double> inner;
            for (int64_t f = 0; f < hidden; ++f) {
                const double gate = dot(w.gate.value, f, in);
                inner.push_back(gate / (1 + std::exp(-gate)) * dot(w.up.value, f, in));
            }
            for (int64_t d = 0; d < dim; ++d) expected[static_cast<size_t>(d)] += score * dot(w.down.value, d, inner);
        }
        for (int64_t d = 0; d < dim; ++d) {
            EXPECT_NEAR(y->value.f32()[t * dim + d], expected[static_cast<size_t>(d)] / total, 2e-5);
        }
    }
}

TEST(Mixture, AHookThatLooksChangesNoBit) {
    class Looking : public RoutingHook {
      public:
        int calls = 0;
        void before_selection(const BeforeSelection&) override { ++calls; }
        void after_selection(const AfterSelection& after) override {
            ++calls;
            EXPECT_EQ(after.margin_T.size(), 33u);
        }
    } hook;
    Layer layer(6, 32, 16);
    const OwnedTensor x = random_tensor({33, 32}, 1);
    const RouterPolicy policy{.experts = 6, .top_k = 2, .normalise = true};
    const auto without = output_and_gradients(layer, x, policy, DType::f32);
    EXPECT_EQ(output_and_gradients(layer, x, policy, DType::f32, &hook), without);
    EXPECT_EQ(hook.calls, 2);
}

// What a router chose is announced before it is leased, and given back.
TEST(Mixture, WantsBeforeItLeases) {
    Layer layer(6, 32, 16);
    Arena arena(1 << 16);
    Graph g(arena, {.record = false});
    const OwnedTensor x = random_tensor({3, 32}, 1);
    layer.run(g, g.input(x), {.experts = 6, .top_k = 2});
    const StoreStats stats = layer.store->stats();
    EXPECT_EQ(stats.leases, 1);
    EXPECT_EQ(stats.held, 0);
    EXPECT_GE(stats.experts, 2);
    EXPECT_EQ(stats.wanted, stats.experts);
}

TEST(Mixture, ThreadsAndRecordingChangeNoBit) {
    Layer layer(6, 32, 48);
    const OwnedTensor x = random_tensor({333, 32}, 1);
    const RouterPolicy policy{.experts = 6, .top_k = 3, .score = Score::sigmoid, .normalise = true};
    const int before = threads();
    for (const DType compute : {DType::f32, DType::bf16}) {
        set_threads(1);
        const auto one = output_and_gradients(layer, x, policy, compute);
        for (const int n : {2, 3}) {
            set_threads(n);
            EXPECT_EQ(output_and_gradients(layer, x, policy, compute), one) << n << " threads";
        }
        Arena arena(1 << 16);
        Graph g(arena, {.compute = compute, .activation = compute});
        const MoeOutput out = layer.run(g, g.input(x), policy);
        EXPECT_TRUE(std::ranges::equal(floats(out.y_TD->value), std::span(one).first(333 * 32)));
        EXPECT_EQ(out.routing.balance_loss, nullptr);
    }
    set_threads(before);
}

TEST(Mixture, RecomputationChangesNoBit) {
    Layer layer(4, 16, 24);
    const OwnedTensor x = random_tensor({40, 16}, 1);
    const RouterPolicy policy{.experts = 4, .top_k = 2};
    const auto gradients = [&](bool recompute) {
        for (const OwnedTensor& d : layer.grads) std::ranges::fill(floats(d), 0.0f);
        Arena arena(1 << 16);
        Graph g(arena, {.record = true});
        const Var in = g.input(x, true);
        const auto body = [&](Graph& graph, Var v) {
            const MoeOutput out = layer.run(graph, v, policy);
            return std::vector<Var>{ops::add(graph, v, out.y_TD), out.routing.balance_loss, out.routing.z_loss};
        };
        const std::vector<Var> out = recompute ? ops::checkpoint(g, in, body) : body(g, in);
        std::ranges::copy(ops::random_factors(out[0]->value.count()), g.grad_of(out[0]).f32());
        const Var loss = ops::add_scaled(g, out[1], out[2], 0.1f);
        std::vector<float> result{*loss->value.f32()};
        g.backward(loss);
        result.insert(result.end(), floats(in->grad).begin(), floats(in->grad).end());
        for (const OwnedTensor& d : layer.grads) result.insert(result.end(), floats(d).begin(), floats(d).end());
        return result;
    };
    EXPECT_EQ(gradients(true), gradients(false));
}

TEST(Mixture, FrozenExpertsStillTrainTheRouter) {
    Layer layer(4, 16, 24);
    std::vector<ExpertWeights> frozen;
    for (int e = 0; e < 4; ++e) {
        ExpertWeights w = layer.store->peek({0, e});
        w.gate.grad = w.up.grad = w.down.grad = {};
        frozen.push_back(w);
    }
    const OwnedTensor x = random_tensor({40, 16}, 1);
    const RouterPolicy policy{.experts = 4, .top_k = 2};
    const auto all = output_and_gradients(layer, x, policy, DType::f32);
    const std::vector<float> router(floats(layer.grads[0]).begin(), floats(layer.grads[0]).end());
    layer.store = make_expert_store({frozen}, Residency::mapped);
    output_and_gradients(layer, x, policy, DType::f32);
    EXPECT_TRUE(std::ranges::equal(floats(layer.grads[0]), router));
    for (size_t m = 1; m < layer.grads.size(); ++m) {
        for (const float d : floats(layer.grads[m])) ASSERT_EQ(d, 0);
    }
}

}  // namespace
}  // namespace gremium::moe
