#include "moe/routers/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "ops/ops.h"
#include "tests/ops/gradient_check.h"

namespace gremium::moe {
namespace {

using ops::floats;
using ops::GradientCheck;
using ops::Graph;
using ops::random_tensor;
using ops::Var;
using ops::Weight;
using Score = RouterPolicy::Score;
using testing::ElementsAre;
using testing::FloatNear;
using testing::Pointwise;

constexpr float infinity = std::numeric_limits<float>::infinity();

// Sees everything, does what it is told.
class Hook : public RoutingHook {
  public:
    std::vector<int> muted;
    int top_k = 0;
    float bonus = 0;
    std::vector<float> margins;
    int layer = -1;

    void before_selection(const BeforeSelection& before) override {
        for (size_t i = 0; i < before.logits_TE.size(); ++i) {
            const auto e = static_cast<int>(i % static_cast<size_t>(before.experts));
            if (std::ranges::find(muted, e) != muted.end()) before.logits_TE[i] = -infinity;
            if (e == 0) before.logits_TE[i] += bonus;
        }
        if (top_k) before.top_k = top_k;
    }
    void after_selection(const AfterSelection& after) override {
        layer = after.layer;
        margins.assign(after.margin_T.begin(), after.margin_T.end());
    }
};

// Asks for what it is told.
struct Wish : RoutingHook {
    int top_k = 0;
    SelectionRules rules = {};
    std::vector<int32_t> ids = {};
    std::vector<float> weights = {};

    Wish(int top_k_, SelectionRules rules_) : top_k(top_k_), rules(std::move(rules_)) {}
    void before_selection(const BeforeSelection& before) override {
        if (top_k) before.top_k = top_k;
        before.rules = rules;
    }
    void after_selection(const AfterSelection& after) override {
        EXPECT_EQ(after.ids_Tk.size(), after.margin_T.size() * static_cast<size_t>(after.top_k));
        ids.assign(after.ids_Tk.begin(), after.ids_Tk.end());
        weights.assign(after.weights_Tk.begin(), after.weights_Tk.end());
    }
};

struct Decision {
    std::vector<int32_t> ids;
    std::vector<float> weights;
    float balance = 0, z = 0;
    std::vector<int64_t> load;
};

// Routes one token a row of logits: x holds the logits and the router is the identity.
Decision decide(const RouterPolicy& policy, std::vector<float> logits, std::vector<float> correction = {},
                RoutingHook* hook = nullptr, std::span<const int32_t> sequences = {}) {
    const int64_t experts = policy.experts, tokens = static_cast<int64_t>(logits.size()) / experts;
    OwnedTensor identity(DType::f32, {experts, experts});
    for (int64_t e = 0; e < experts; ++e) identity.get().f32()[e * experts + e] = 1;
    Arena arena(1 << 16);
    Graph g(arena, {.record = true});
    const Var x = g.input(as_tensor(logits.data(), {tokens, experts}), true);
    const TensorView correction_E =
        correction.empty() ? TensorView{} : as_tensor(std::as_const(correction).data(), {experts});
    const HookedRows all{hook, 0, tokens, {}};
    const Routing r = route(g, x, policy,
                            {.router_ED = {identity, {}},
                             .bias_E = {},
                             .correction_E = correction_E,
                             .sequences = sequences,
                             .hooked = std::span(&all, hook ? 1 : 0),
                             .layer = 5});
    const std::span<float> weights = floats(r.weights_Tk->value);
    return {r.ids_Tk, {weights.begin(), weights.end()}, *r.balance_loss->value.f32(), *r.z_loss->value.f32(), r.load_E};
}

// The golden router numbers of the models that each policy describes.
const std::vector<float> logits8{1.0f, -0.5f, 2.0f, 0.3f, 0.7f, -1.2f, 1.5f, 0.0f};
auto near(std::vector<float> expected) { return Pointwise(FloatNear(2e-6f), expected); }

TEST(Route, Mixtral) {
    const Decision d = decide({.experts = 8, .top_k = 2, .normalise = true}, logits8);
    EXPECT_THAT(d.ids, ElementsAre(2, 6));
    EXPECT_THAT(d.weights, near({.622459f, .377541f}));
}

TEST(Route, Olmoe) {
    const Decision d = decide({.experts = 8, .top_k = 4}, logits8);
    EXPECT_THAT(d.ids, ElementsAre(2, 6, 0, 4));
    EXPECT_THAT(d.weights, near({.37205f, .22566f, .13687f, .101396f}));
}

TEST(Route, Qwen3AndGptOss) {
    for (const RouterPolicy& policy : {RouterPolicy{.experts = 8, .top_k = 4, .normalise = true},
                                       RouterPolicy{.experts = 8, .top_k = 4, .score = Score::softmax_selected}}) {
        const Decision d = decide(policy, logits8);
        EXPECT_THAT(d.ids, ElementsAre(2, 6, 0, 4));
        EXPECT_THAT(d.weights, near({.445049f, .269936f, .163725f, .12129f}));
    }
}

TEST(Route, Llama4Score) {
    const Decision d = decide({.experts = 8, .top_k = 1, .score = Score::sigmoid}, logits8);
    EXPECT_THAT(d.ids, ElementsAre(2));
    EXPECT_THAT(d.weights, near({.880797f}));
}

// Sigmoids of large logits are all 1: the logits decide.
TEST(Route, Llama4SelectsByLogits) {
    EXPECT_THAT(decide({.experts = 4, .top_k = 2, .score = Score::sigmoid}, {90, 110, 100, 95}).ids, ElementsAre(1, 2));
}

TEST(Route, DeepSeekV2) {
    const Decision d = decide({.experts = 8, .top_k = 3, .scale = 16, .groups = 4, .groups_used = 2}, logits8);
    EXPECT_THAT(d.ids, ElementsAre(2, 6, 3));
    EXPECT_THAT(d.weights, Pointwise(FloatNear(2e-5f), {5.952806f, 3.61056f, 1.08748f}));
}

TEST(Route, SparseMixer) {
    const RouterPolicy policy{.experts = 8, .top_k = 2, .score = Score::sparsemixer, .sparse_epsilon = .01f};
    Decision d = decide(policy, logits8);
    EXPECT_THAT(d.ids, ElementsAre(2, 6));
    EXPECT_THAT(d.weights, near({1, 1}));
    d = decide(policy, {1, -.5f, 2, .3f, 1.48f, -1.2f, 1.5f, 1.99f});
    EXPECT_THAT(d.ids, ElementsAre(2, 7));
    EXPECT_THAT(d.weights, near({.5025f, 1}));
}

TEST(Route, DeepSeekV3) {
    const Decision d = decide({.experts = 8,
                               .top_k = 3,
                               .score = Score::sigmoid,
                               .correction_bias = true,
                               .normalise = true,
                               .scale = 2.5f,
                               .group_score = RouterPolicy::GroupScore::two_best,
                               .groups = 4,
                               .groups_used = 2},
                              logits8, {0, .5f, -.4f, .1f, 0, .6f, -.3f, .2f});
    EXPECT_THAT(d.ids, ElementsAre(1, 5, 0));
    EXPECT_THAT(d.weights, near({.704328f, .431833f, 1.363839f}));
}

// Four tokens prefer expert 0, one expert 1.
TEST(Route, SwitchDropsWhatOverflows) {
    const std::vector<float> logits{2, 0, 2, 0, 2, 0, 2, 0, 0, 2};
    const Decision two = decide({.experts = 2, .top_k = 1, .capacity = 2}, logits);
    EXPECT_THAT(two.ids, ElementsAre(0, 0, -1, -1, 1));
    EXPECT_THAT(two.weights, near({.880797f, .880797f, 0, 0, .880797f}));
    EXPECT_THAT(two.load, ElementsAre(4, 1));
    const Decision even = decide({.experts = 2, .top_k = 1, .capacity_factor = 1}, logits);  // ⌈5 / 2⌉
    EXPECT_THAT(even.ids, ElementsAre(0, 0, 0, -1, 1));
    EXPECT_THAT(decide({.experts = 2, .top_k = 1}, logits).ids, ElementsAre(0, 0, 0, 0, 1));
}

// Sequences that are told apart do not take each other's places, nor each other's luck.
TEST(Route, SequencesOfABatchDecideAlone) {
    std::vector<float> logits;
    for (int t = 0; t < 10; ++t) logits.insert(logits.end(), {2, 1.9f, static_cast<float>(t % 5) / 4});
    const std::vector<int32_t> sequences{4, 4, 4, 4, 4, 2, 2, 2, 2, 2};
    for (RouterPolicy policy : {RouterPolicy{.experts = 3, .top_k = 1, .capacity = 3},
                                RouterPolicy{.experts = 3, .top_k = 2, .second = RouterPolicy::Second::sampled},
                                RouterPolicy{.experts = 3, .top_k = 2, .second = RouterPolicy::Second::likely}}) {
        const std::vector<int32_t> both = decide(policy, logits, {}, nullptr, sequences).ids;
        const std::vector<int32_t> alone = decide(policy, {logits.begin(), logits.begin() + 15}).ids;
        EXPECT_TRUE(std::equal(alone.begin(), alone.end(), both.begin()));
        EXPECT_TRUE(std::equal(alone.begin(), alone.end(), both.begin() + static_cast<ptrdiff_t>(alone.size())));
    }
}

// First choices are 0, 1, 1 and second ones 1, 0, 2: the second choice of the first token comes third to expert 1.
TEST(Route, GshardServesFirstChoicesFirst) {
    const std::vector<float> logits{2, 1, 0, 1, 2, 0, 0, 2, 1};
    RouterPolicy policy{.experts = 3, .top_k = 2, .normalise = true, .scale = 0.8f, .capacity = 2};
    const Decision kept = decide(policy, logits);
    EXPECT_THAT(kept.ids, ElementsAre(0, -1, 1, 0, 1, 2));
    const float first = .8f * .731059f, second = .8f * .268941f;  // softmax of 2 and 1
    EXPECT_THAT(kept.weights, near({.8f, 0, first, second, first, second}));
    policy.normalise_dropped = true;
    EXPECT_THAT(decide(policy, logits).weights, near({first, 0, first, second, first, second}));
}

TEST(Route, LikelySecondChoicesAreKeptByTheirWeight) {
    std::vector<float> logits;
    for (int t = 0; t < 2000; ++t) logits.insert(logits.end(), {std::log(3.0f), 0});  // weights 3/4 and 1/4
    const Decision d = decide({.experts = 2, .top_k = 2, .second = RouterPolicy::Second::likely}, logits);
    const auto kept = std::ranges::count(d.ids, 1);
    EXPECT_NEAR(static_cast<double>(kept), 1000, 5 * std::sqrt(500));
    EXPECT_EQ(d.load[1], kept);
    EXPECT_EQ(d.load[0], 2000);
}

TEST(Route, SampledSecondChoicesFollowTheSoftmax) {
    std::vector<float> logits;
    for (int t = 0; t < 2000; ++t) logits.insert(logits.end(), {0, 5, std::log(3.0f)});  // 1/4 and 3/4 beside the best
    const Decision d = decide({.experts = 3, .top_k = 2, .second = RouterPolicy::Second::sampled}, logits);
    EXPECT_EQ(d.load[1], 2000);
    EXPECT_NEAR(static_cast<double>(d.load[2]), 1500, 5 * std::sqrt(375));
    const auto at = static_cast<size_t>(std::ranges::find(d.ids, 0) - d.ids.begin());
    EXPECT_NEAR(d.weights[at], 1 / (1 + std::exp(5.0) + 3), 1e-6);
}

TEST(Route, TiesGoToTheLowerExpert) {
    EXPECT_THAT(decide({.experts = 5, .top_k = 3}, {1, 2, 1, 2, 1}).ids, ElementsAre(1, 3, 0));
    EXPECT_THAT(decide({.experts = 3, .top_k = 3}, {0, 0, 0}).ids, ElementsAre(0, 1, 2));
}

TEST(Route, SelectionEqualsASort) {
    const int experts = 13, tokens = 200;
    const OwnedTensor logits = random_tensor({tokens, experts}, 1);
    std::vector<float> values(floats(logits).begin(), floats(logits).end());
    for (float& v : values) v = std::round(v * 4) / 4;  // many ties
    for (const int top_k : {1, 2, 5, 13}) {
        const Decision d = decide({.experts = experts, .top_k = top_k, .score = Score::softmax_selected}, values);
        for (size_t t = 0; t < tokens; ++t) {
            std::vector<int32_t> order(static_cast<size_t>(experts));
            for (int32_t e = 0; e < experts; ++e) order[static_cast<size_t>(e)] = e;
            std::ranges::stable_sort(order, std::greater(),
                                     [&](int32_t e) { return values[t * 13 + static_cast<size_t>(e)]; });
            for (size_t j = 0; j < static_cast<size_t>(top_k); ++j) {
                ASSERT_EQ(d.ids[t * static_cast<size_t>(top_k) + j], order[j]);
            }
        }
    }
}

TEST(Route, HookSteersAndMeasures) {
    Hook hook;
    const RouterPolicy policy{.experts = 8, .top_k = 2, .score = Score::softmax_selected};
    decide(policy, logits8, {}, &hook);
    EXPECT_EQ(hook.layer, 5);
    EXPECT_THAT(hook.margins, near({0.5f}));
    hook.muted = {2};
    hook.bonus = 9;
    hook.top_k = 1;
    const Decision d = decide(policy, logits8, {}, &hook);
    EXPECT_THAT(d.ids, ElementsAre(0));
    EXPECT_THAT(hook.margins, near({8.5f}));
    hook.top_k = 7;
    decide(policy, logits8, {}, &hook);
    EXPECT_EQ(hook.margins.front(), infinity);
}

// What is given up has no gradient; wishes for experts that are not there, or too many, are refused.
TEST(Route, RefusesRulesItCannotKeep) {
    Wish hook(0, {});
    const std::vector<SelectionRules> impossible{{{}, {1}, 1}, {{}, {}, 0.5f}, {{}, {}, 0},
                                                 {{8}, {}, 1}, {{}, {-1}, 1},  {{1, 2, 3}, {}, 1}};
    for (const SelectionRules& rules : impossible) {
        hook.rules = rules;
        EXPECT_THROW(decide({.experts = 8, .top_k = 2}, logits8, {}, &hook), Error);
    }
    hook.rules = {{3, 5}, {}, 1};
    EXPECT_THAT(decide({.experts = 8, .top_k = 2}, logits8, {}, &hook).ids, ElementsAre(3, 5));
}

// Five tokens of the same logits: the second and third are one sequence, the last another, each with a hook.
Routing decide_apart(Graph& g, const std::vector<float>& logits, RoutingHook& one, RoutingHook& two, Arena& arena) {
    const RouterPolicy policy{.experts = 8, .top_k = 2, .normalise = true};
    const Tensor x = arena.tensor(DType::f32, {5, 8}), identity = arena.zeros(DType::f32, {8, 8});
    for (int64_t t = 0; t < 5; ++t) std::ranges::copy(logits, x.f32() + 8 * t);
    for (int64_t e = 0; e < 8; ++e) identity.f32()[9 * e] = 1;
    const Weight no_bias;
    const std::vector<int32_t> sequences{0, 1, 1, 2, 3};
    const std::vector<HookedRows> hooked{{&one, 1, 2, {}}, {&two, 4, 1, {}}};
    return route(
        g, g.input(x), policy,
        {.router_ED = {identity, {}}, .bias_E = no_bias, .correction_E = {}, .sequences = sequences, .hooked = hooked});
}

TEST(Route, AHookSteersItsOwnRowsOnly) {
    Arena arena(1 << 16);
    Graph g(arena, {.record = false});
    Wish one(1, {}), two(3, {{5}, {2}, 1});
    const Routing r = decide_apart(g, logits8, one, two, arena);
    EXPECT_EQ(r.top_k, 3);
    EXPECT_THAT(r.hooked_k, ElementsAre(1, 3));
    EXPECT_THAT(r.ids_Tk, ElementsAre(2, 6, -1, 2, -1, -1, 2, -1, -1, 2, 6, -1, 5, 6, -1));
    EXPECT_THAT(one.ids, ElementsAre(2, 2));
    EXPECT_THAT(one.weights, ElementsAre(1, 1));
    EXPECT_THAT(two.ids, ElementsAre(5, 6, -1));
    EXPECT_THAT(r.load_E, ElementsAre(0, 0, 4, 0, 0, 1, 3, 0));
    const std::vector<float> alone = decide({.experts = 8, .top_k = 2, .normalise = true}, logits8).weights;
    for (const size_t t : {0u, 3u}) EXPECT_THAT(r.weights().subspan(3 * t, 3), ElementsAre(alone[0], alone[1], 0));
}

TEST(Route, TrainsWithOneNumberOfExpertsOnly) {
    Arena arena(1 << 16);
    Graph g(arena, {.record = true});
    Wish one(1, {}), two(2, {});
    EXPECT_THROW(decide_apart(g, logits8, one, two, arena), Error);
    one.top_k = 2;
    EXPECT_EQ(decide_apart(g, logits8, one, two, arena).top_k, 2);
}

// Rules of several hooks are united; none is lost, whichever comes first.
TEST(Route, RulesOfAChainAreMerged) {
    Wish a(0, {{3}, {2}, 1}), b(0, {{5, 3}, {}, 0.9f}), c(4, {{}, {2, 6}, 0.95f}), none(0, {});
    for (std::vector<RoutingHook*> order : {std::vector<RoutingHook*>{&a, &b, &c}, {&c, &b, &a}}) {
        HookChain chain(std::move(order));
        int top_k = 2;
        SelectionRules rules;
        const TokenBatch batch;
        chain.before_selection({0, batch, 8, {}, top_k, rules});
        std::ranges::sort(rules.forced);
        std::ranges::sort(rules.dropped);
        EXPECT_EQ(top_k, 4);
        EXPECT_THAT(rules.forced, ElementsAre(3, 5));
        EXPECT_THAT(rules.dropped, ElementsAre(2, 6));
        EXPECT_EQ(rules.mass, 0.9f);
    }
    // What one forces and another drops or mutes is refused, not decided by their order.
    Wish drops(0, {{}, {3}, 1});
    Hook mutes;
    mutes.muted = {3};
    for (RoutingHook* other : {static_cast<RoutingHook*>(&drops), static_cast<RoutingHook*>(&mutes)}) {
        HookChain chain({other, &a}), reversed({&a, other});
        Arena arena(1 << 16);
        Graph g(arena, {.record = false});
        EXPECT_THROW(decide_apart(g, logits8, none, chain, arena), Error);
        EXPECT_THROW(decide_apart(g, logits8, none, reversed, arena), Error);
    }
}

// A muted expert with a large correction bias stays muted.
TEST(Route, MutedStaysMuted) {
    Hook hook;
    hook.muted = {1};
    const Decision d = decide({.experts = 3, .top_k = 2, .score = Score::sigmoid, .correction_bias = true}, {0, 0, 0},
                              {0, 100, 0}, &hook);
    EXPECT_THAT(d.ids, ElementsAre(0, 2));
}

std::string error_of(const auto& call) {
    try {
        call();
    } catch (const Error& e) {
        return e.what();
    }
    return "no error";
}

TEST(Route, ErrorsNameTheLayer) {
    Hook hook;
    hook.muted = {0, 1, 2};
    const RouterPolicy policy{.experts = 4, .top_k = 2};
    EXPECT_THAT(error_of([&] {
                    decide(policy, {1, 2, 3, 4}, {}, &hook);
                }),
                testing::AllOf(testing::HasSubstr("layer 5"), testing::HasSubstr("1 of 4")));
    hook.muted.clear();
    hook.top_k = 5;
    EXPECT_THAT(error_of([&] { decide(policy, {1, 2, 3, 4}, {}, &hook); }), testing::HasSubstr("layer 5"));
    const float nan = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THAT(error_of([&] { decide(policy, {nan, nan, nan, nan}); }), testing::HasSubstr("layer 5"));
    EXPECT_THAT(error_of([&] {
                    decide({.experts = 4, .top_k = 2, .correction_bias = true}, {1, 2, 3, 4});
                }),
                testing::HasSubstr("correction"));
}

// The two losses in double, from their formulas.
TEST(Route, LossesEqualTheirFormulas) {
    const int experts = 6, tokens = 150, top_k = 2;
    const OwnedTensor logits = random_tensor({tokens, experts}, 1, 2);
    const std::vector<float> values(floats(logits).begin(), floats(logits).end());
    for (const Score score : {Score::softmax, Score::softmax_selected, Score::sigmoid}) {
        const Decision d = decide({.experts = experts, .top_k = top_k, .score = score}, values);
        std::vector<double> share(experts);
        double z = 0;
        for (size_t t = 0; t < tokens; ++t) {
            double exps = 0, sigmoids = 0;
            for (size_t e = 0; e < experts; ++e) {
                exps += std::exp(double{values[t * experts + e]});
                sigmoids += 1 / (1 + std::exp(-double{values[t * experts + e]}));
            }
            z += std::log(exps) * std::log(exps) / tokens;
            for (size_t e = 0; e < experts; ++e) {
                const double v = values[t * experts + e];
                share[e] += score == Score::sigmoid ? 1 / (1 + std::exp(-v)) / sigmoids : std::exp(v) / exps;
            }
        }
        double balance = 0, sum = 0;
        for (size_t e = 0; e < experts; ++e) {
            const auto chosen = std::ranges::count(d.ids, static_cast<int32_t>(e));
            EXPECT_EQ(d.load[e], chosen);
            balance += experts * (static_cast<double>(chosen) / tokens) * (share[e] / tokens);
            sum += static_cast<double>(chosen) / tokens;
        }
        EXPECT_DOUBLE_EQ(sum, top_k);
        EXPECT_NEAR(d.balance, balance, 1e-5);
        EXPECT_NEAR(d.z, z, 1e-4);
    }
}

// Logits in pairs that compete and pairs that do not; which ones must not change by the step.
TEST(Route, GradientsOfSparseMixer) {
    const RouterPolicy policy{
        .experts = 5, .top_k = 3, .score = Score::sparsemixer, .scale = 1.7f, .sparse_epsilon = 0.2f};
    GradientCheck check;
    check.step = 1e-3;
    check.tolerance = 5e-3;
    check.input({6, 4});
    const Weight router = check.weight({5, 4}), no_bias;
    bool competed = false;
    check.run([&](Graph& g, auto x) {
        const Routing r = route(g, x[0], policy, {.router_ED = router, .bias_E = no_bias, .correction_E = {}});
        for (const float w : floats(r.weights_Tk->value)) competed |= w < 1.6f;
        return r.weights_Tk;
    });
    EXPECT_TRUE(competed) << "choose another seed";
}

// Weights and both losses against central differences; the selection must not change by the step.
TEST(Route, GradientsOfEveryPolicy) {
    const int experts = 6, top_k = 3;
    const OwnedTensor correction = random_tensor({experts}, 9, 0.2f);
    for (const Score score : {Score::softmax, Score::softmax_selected, Score::sigmoid}) {
        for (const bool normalise : {false, true}) {
            for (const bool corrected : {false, true}) {
                const RouterPolicy policy{.experts = experts,
                                          .top_k = top_k,
                                          .score = score,
                                          .correction_bias = corrected,
                                          .normalise = normalise,
                                          .scale = 1.7f};
                GradientCheck check;
                check.step = 2e-3;
                check.tolerance = 5e-3;
                check.input({4, 5});
                const Weight router = check.weight({experts, 5}), bias = check.weight({experts});
                std::vector<int32_t> chosen;
                check.run([&](Graph& g, auto x) {
                    Routing r =
                        route(g, x[0], policy, {.router_ED = router, .bias_E = bias, .correction_E = correction});
                    if (chosen.empty()) chosen = r.ids_Tk;
                    EXPECT_EQ(r.ids_Tk, chosen) << "choose another seed";
                    return r.weights_Tk;
                });
            }
        }
    }
}

TEST(Route, GradientsWithDroppedChoices) {
    for (const auto& [normalise, dropped] : {std::pair{false, false}, {true, false}, {true, true}}) {
        const RouterPolicy policy{.experts = 4,
                                  .top_k = 2,
                                  .normalise = normalise,
                                  .scale = 1.7f,
                                  .capacity = 2,
                                  .normalise_dropped = dropped};
        GradientCheck check;
        check.step = 2e-3;
        check.tolerance = 5e-3;
        check.input({6, 5});
        const Weight router = check.weight({4, 5}), no_bias;
        std::vector<int32_t> chosen;
        check.run([&](Graph& g, auto x) {
            const Routing r = route(g, x[0], policy, {.router_ED = router, .bias_E = no_bias, .correction_E = {}});
            if (chosen.empty()) chosen = r.ids_Tk;
            EXPECT_EQ(r.ids_Tk, chosen) << "choose another seed";
            return r.weights_Tk;
        });
        EXPECT_NE(std::ranges::find(chosen, -1), chosen.end());  // 12 choices, room for 8
    }
}

TEST(Route, GradientsOfTheLosses) {
    const int experts = 6, top_k = 2, tokens = 5;
    for (const Score score : {Score::softmax, Score::softmax_selected, Score::sigmoid}) {
        const RouterPolicy policy{.experts = experts, .top_k = top_k, .score = score};
        OwnedTensor logits = random_tensor({tokens, experts}, 3);
        OwnedTensor router(DType::f32, {experts, experts});
        for (int64_t e = 0; e < experts; ++e) router.get().f32()[e * experts + e] = 1;
        const Weight router_ED{router, {}}, no_bias;
        const auto losses = [&](std::vector<float>* gradient) {
            Arena arena(1 << 16);
            Graph g(arena, {.record = true});
            const Var x = g.input(logits, true);
            const Routing r = route(g, x, policy, {.router_ED = router_ED, .bias_E = no_bias, .correction_E = {}});
            const Var weight = ops::scale(g, r.balance_loss, 0.5f);
            const Var total = ops::add_scaled(g, weight, r.z_loss, 0.25f);
            const double value = 0.5 * *r.balance_loss->value.f32() + 0.25 * *r.z_loss->value.f32();
            g.backward(total);
            if (gradient) gradient->assign(floats(x->grad).begin(), floats(x->grad).end());
            return value;
        };
        std::vector<float> gradient;
        losses(&gradient);
        for (size_t i = 0; i < gradient.size(); ++i) {
            float& v = floats(logits)[i];
            const float before = v;
            v = before + 1e-2f;
            const double up = losses(nullptr);
            v = before - 1e-2f;
            const double down = losses(nullptr);
            v = before;
            ASSERT_NEAR(gradient[i], (up - down) / 2e-2, 2e-4) << static_cast<int>(score) << " logit " << i;
        }
    }
}

TEST(Correction, MovesAgainstTheLoad) {
    OwnedTensor correction(DType::f32, {4});
    update_correction(correction, {4, 2, 0, 2}, 0.5f);
    EXPECT_THAT(floats(correction), ElementsAre(-0.5f, 0, 0.5f, 0));
}

TEST(Correction, MaxViolation) {
    EXPECT_DOUBLE_EQ(max_violation({4, 2, 0, 2}), 1);
    EXPECT_DOUBLE_EQ(max_violation({3, 3}), 0);
    EXPECT_DOUBLE_EQ(max_violation({0, 0}), 0);
}

}  // namespace
}  // namespace gremium::moe
