// Steering: what each wish does under every router policy, and what is refused.
#include "hooks/steering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "moe/routers/router.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"

namespace gremium::hooks {
namespace {

using moe::RouterPolicy;
using test::random_tokens;
using test::tiny_model;
using test::tiny_spec;
using testing::HasSubstr;
using Score = RouterPolicy::Score;
using GroupScore = RouterPolicy::GroupScore;

constexpr int64_t tokens = 40;

struct Kind {
    const char* name;
    RouterPolicy policy;
};
const std::vector<Kind>& kinds() {
    static const std::vector<Kind> all{
        {"softmax", {.experts = 8, .top_k = 3}},
        {"softmax, normalised", {.experts = 8, .top_k = 3, .normalise = true, .scale = 2}},
        {"softmax of the selected", {.experts = 8, .top_k = 3, .score = Score::softmax_selected}},
        {"sigmoid", {.experts = 8, .top_k = 3, .score = Score::sigmoid}},
        {"sigmoid, corrected",
         {.experts = 8,
          .top_k = 3,
          .score = Score::sigmoid,
          .correction_bias = true,
          .normalise = true,
          .scale = 2.5f}},
        {"sparsemixer", {.experts = 8, .top_k = 3, .score = Score::sparsemixer, .sparse_epsilon = 0.2f}},
        {"groups by their best", {.experts = 8, .top_k = 3, .groups = 4, .groups_used = 2}},
        {"groups by their two best",
         {.experts = 8,
          .top_k = 3,
          .score = Score::sigmoid,
          .correction_bias = true,
          .group_score = GroupScore::two_best,
          .groups = 2,
          .groups_used = 1}},
    };
    return all;
}

struct Decision {
    int k = 0;
    std::vector<int32_t> ids;
    std::vector<float> weights;

    std::map<int, double> of(int64_t t) const {
        std::map<int, double> chosen;
        for (size_t j = 0; j < static_cast<size_t>(k); ++j) {
            const size_t i = static_cast<size_t>(t) * static_cast<size_t>(k) + j;
            if (ids[i] >= 0) chosen[ids[i]] = weights[i];
        }
        return chosen;
    }
    double sum(int64_t t) const {
        double total = 0;
        for (const auto& [e, w] : of(t)) total += w;
        return total;
    }
};

// One mixture layer whose router is the identity: inputs are logits.
ModelSpec layer_spec(const RouterPolicy& policy) {
    ModelSpec spec = tiny_spec("mixtral", {.layers = 1});
    MoeSpec m = *spec.layers[0].moe();
    m.router = policy;
    spec.layers[0].feed_forward = m;
    return spec;
}

// Logits and corrections of `policy.experts` experts; those whose index is in `without` are left out.
Decision decide(RouterPolicy policy, moe::RoutingHook* hook, const std::vector<int>& without = {}) {
    std::vector<float> logits, correction;
    Random random(7, 0);
    const auto kept = [&](int e) { return std::ranges::find(without, e) == without.end(); };
    for (int64_t t = 0; t <= tokens; ++t)
        for (int e = 0; e < policy.experts; ++e) {
            const auto x = static_cast<float>(1.5 * random.normal());
            if (kept(e)) (t ? logits : correction).push_back(t ? x : x / 10);
        }
    policy.experts -= static_cast<int>(without.size());
    const int64_t experts = policy.experts;
    OwnedTensor identity(DType::f32, {experts, experts});
    for (int64_t e = 0; e < experts; ++e) identity.get().f32()[e * experts + e] = 1;
    Arena arena(1 << 16);
    ops::Graph g(arena, {.record = false});
    const moe::HookedRows all{hook, 0, tokens, {}};
    const moe::Routing r = route(
        g, g.input(as_tensor(logits.data(), {tokens, experts})), policy,
        {.router_ED = {identity, {}},
         .bias_E = {},
         .correction_E = policy.correction_bias ? as_tensor(std::as_const(correction).data(), {experts}) : TensorView{},
         .hooked = std::span(&all, hook ? 1 : 0),
         .layer = 0});
    const float* weights = r.weights_Tk->value.f32();
    return {r.top_k, r.ids_Tk, {weights, weights + r.ids_Tk.size()}};
}

Decision steered(const RouterPolicy& policy, const SteeringProfile& profile) {
    SteeringHook hook(profile, layer_spec(policy));
    return decide(policy, &hook);
}

TEST(Steering, MutingIsAModelWithoutTheExpert) {
    for (const auto& [name, policy] : kinds()) {
        if (policy.groups > 1) continue;  // groups of unequal size cannot be built
        const Decision d = steered(policy, {.mute = {{0, 2}, {0, 5}}});
        const Decision less = decide(policy, nullptr, {2, 5});
        const int left[] = {0, 1, 3, 4, 6, 7};
        for (size_t i = 0; i < d.ids.size(); ++i) {
            EXPECT_EQ(d.ids[i], left[less.ids[i]]) << name;
            EXPECT_NEAR(d.weights[i], less.weights[i], 1e-6) << name;
        }
    }
}

TEST(Steering, AMutedExpertOfAGroupIsNeverChosenAndItsGroupCountsWithoutIt) {
    for (const auto& [name, policy] : kinds()) {
        const Decision d = steered(policy, {.mute = {{0, 6}}});
        for (int64_t t = 0; t < tokens; ++t) {
            EXPECT_FALSE(d.of(t).contains(6)) << name;
            EXPECT_EQ(d.of(t).size(), 3u) << name;
        }
    }
}

// Odds against another chosen expert change by e^b where scores are a softmax; a sigmoid's own odds do.
TEST(Steering, ABiasMultipliesOdds) {
    const float bias = 0.7f;
    for (const Score score : {Score::softmax, Score::softmax_selected, Score::sigmoid}) {
        const RouterPolicy policy{.experts = 8, .top_k = 8, .score = score};  // all: the choice stays
        const Decision before = decide(policy, nullptr), after = steered(policy, {.bias = {{{0, 4}, bias}}});
        for (int64_t t = 0; t < tokens; ++t) {
            auto w = before.of(t), v = after.of(t);
            const bool alone = score == Score::sigmoid;
            const double other_before = alone ? 1 - w[4] : w[1], other_after = alone ? 1 - v[4] : v[1];
            EXPECT_NEAR(std::log(v[4] / other_after) - std::log(w[4] / other_before), bias, 1e-4);
            if (alone) {
                EXPECT_NEAR(v[1], w[1], 1e-7);
            }
        }
    }
}

TEST(Steering, ABiasMakesAnExpertMoreFrequent) {
    for (const auto& [name, policy] : kinds()) {
        const auto load = [&](float bias) {
            const Decision d = steered(policy, {.bias = {{{0, 3}, bias}}});
            return std::ranges::count(d.ids, 3);
        };
        EXPECT_LT(load(-2), load(1e-6f)) << name;
        EXPECT_GT(load(2), load(1e-6f)) << name;
    }
}

TEST(Steering, ForcedExpertsAreChosenByEveryTokenWithABestExpertsWeight) {
    for (const auto& [name, policy] : kinds()) {
        const Decision d = steered(policy, {.force = {{0, 6}, {0, 7}}});
        for (int64_t t = 0; t < tokens; ++t) {
            const auto chosen = d.of(t);
            ASSERT_EQ(chosen.size(), 3u) << name;
            ASSERT_TRUE(chosen.contains(6) && chosen.contains(7)) << name;
            if (policy.score == Score::sparsemixer) continue;  // weights are of unlike competitions
            for (const auto& [e, w] : chosen) EXPECT_GE(chosen.at(6) + 1e-6, w) << name;
        }
    }
}

// The other choices are those of an unsteered token with a smaller k.
TEST(Steering, ForcingLeavesTheOtherPlacesToTheBest) {
    for (const auto& [name, policy] : kinds()) {
        if (policy.groups > 1) continue;
        RouterPolicy two = policy;
        two.top_k = 2;
        const Decision d = steered(policy, {.force = {{0, 6}}}), rest = decide(two, nullptr, {6});
        for (int64_t t = 0; t < tokens; ++t) {
            std::set<int> others, expected;
            for (const auto& [e, w] : d.of(t))
                if (e != 6) others.insert(e);
            for (const auto& [e, w] : rest.of(t)) expected.insert(e == 6 ? 7 : e);
            EXPECT_EQ(others, expected) << name;
        }
    }
}

TEST(Steering, DroppedWeightGoesToTheOtherChoicesInProportion) {
    for (const auto& [name, policy] : kinds()) {
        const Decision before = decide(policy, nullptr), after = steered(policy, {.drop = {{0, 1}, {0, 4}}});
        for (int64_t t = 0; t < tokens; ++t) {
            auto w = before.of(t);
            const double whole = before.sum(t);
            w.erase(1);
            w.erase(4);
            const auto v = after.of(t);
            ASSERT_EQ(v.size(), w.size()) << name;
            double rest = 0;
            for (const auto& [e, weight] : w) rest += weight;
            for (const auto& [e, weight] : w) EXPECT_NEAR(v.at(e), weight * whole / rest, 1e-5) << name;
        }
    }
}

TEST(Steering, AnotherNumberOfExpertsIsAnotherPolicy) {
    for (const auto& [name, policy] : kinds()) {
        RouterPolicy two = policy;
        two.top_k = 2;
        const Decision d = steered(policy, {.count = {.top_k = 2}}), expected = decide(two, nullptr);
        EXPECT_EQ(d.ids, expected.ids) << name;
        EXPECT_EQ(d.weights, expected.weights) << name;
        EXPECT_EQ(steered(policy, {.count = {.top_k = 1}, .layer_count = {{0, {.top_k = 2}}}}).ids, expected.ids);
    }
}

// As few as reach the share, with the weights of a router of so many.
TEST(Steering, ByProbabilityMass) {
    for (const auto& [name, policy] : kinds()) {
        const Decision whole = decide(policy, nullptr), d = steered(policy, {.count = {.mass = 0.6f}});
        size_t kept = 0;
        for (int64_t t = 0; t < tokens; ++t) {
            const size_t n = d.of(t).size(), at = static_cast<size_t>(t * whole.k);
            kept += n;
            double first = 0;
            for (size_t j = 0; j < n; ++j) first += whole.weights[at + j];
            const double last = whole.weights[at + n - 1];
            EXPECT_GE(first, 0.6 * whole.sum(t) - 1e-6) << name;
            EXPECT_TRUE(n == 1 || first - last < 0.6 * whole.sum(t) + 1e-6) << name;
            RouterPolicy fewer = policy;
            fewer.top_k = static_cast<int>(n);
            const auto expected = decide(fewer, nullptr).of(t), got = d.of(t);
            for (const auto& [e, w] : expected) EXPECT_NEAR(got.at(e), w, 1e-5) << name;
        }
        EXPECT_GT(kept, static_cast<size_t>(tokens)) << name;
        EXPECT_LT(kept, static_cast<size_t>(3 * tokens)) << name;
    }
}

// What an expert's capacity keeps, by the rule: first choices queue before second ones, tokens in their order.
TEST(Steering, CapacityCountsAfterASteeredChoice) {
    constexpr int capacity = 9;
    const RouterPolicy free{.experts = 8, .top_k = 2};
    RouterPolicy narrow = free;
    narrow.capacity = capacity;
    const SteeringProfile wishes[] = {{.bias = {{{0, 3}, 1.5f}}},
                                      {.mute = {{0, 2}}},
                                      {.force = {{0, 6}}},
                                      {.bias = {{{0, 1}, -1.0f}}, .mute = {{0, 5}}, .force = {{0, 0}}}};
    for (const SteeringProfile& wish : wishes) {
        const Decision unlimited = steered(free, wish), d = steered(narrow, wish);
        std::map<int, int> queue;
        std::vector<int32_t> expected(unlimited.ids.size());
        for (size_t j = 0; j < 2; ++j)
            for (size_t i = j; i < expected.size(); i += 2)
                expected[i] = ++queue[unlimited.ids[i]] > capacity ? -1 : unlimited.ids[i];
        EXPECT_EQ(d.ids, expected);
        EXPECT_GT(std::ranges::count(expected, -1), 5);
        for (size_t i = 0; i < expected.size(); ++i)
            EXPECT_FLOAT_EQ(d.weights[i], expected[i] < 0 ? 0 : unlimited.weights[i]) << i;
    }
}

// An expert that is left out had its place in the queue, and its weight goes to what capacity left the token.
TEST(Steering, DroppedUnderCapacityGoesToTheChoicesThatAreLeft) {
    const RouterPolicy policy{.experts = 8, .top_k = 2, .capacity = 9};
    const Decision before = decide(policy, nullptr), after = steered(policy, {.drop = {{0, 3}}});
    int moved = 0;
    for (int64_t t = 0; t < tokens; ++t) {
        auto left = before.of(t);
        const double whole = before.sum(t);
        if (left.erase(3) && !left.empty()) {
            left.begin()->second = static_cast<float>(whole);
            ++moved;
        }
        const auto now = after.of(t);
        ASSERT_EQ(now.size(), left.size());
        for (const auto& [e, w] : left) EXPECT_NEAR(now.at(e), w, 1e-5);
    }
    EXPECT_GT(moved, 2);
}

TEST(Steering, ATokenWhoseExpertsAreAllDroppedKeepsWhatIsShared) {
    const auto model = tiny_model("dots1");
    SteeringProfile profile;
    for (int layer : {1, 2})
        for (int e = 0; e < 5; ++e) profile.drop.insert({layer, e});
    SteeringHook hook(profile, model->spec);
    engine::Session session(model, {.hook = &hook});
    for (const int32_t token : random_tokens(300, 20))
        for (const float x : session.evaluate(std::vector{token})) ASSERT_TRUE(std::isfinite(x));
}

TEST(Steering, BatchedOrTokenByTokenIsTheSame) {
    for (const std::string name : {"dots1", "phimoe", "deepseek2", "gptoss"}) {
        const auto model = tiny_model(name);
        SteeringHook hook({.bias = {{{2, 1}, 0.5f}}, .drop = {{2, 0}}, .force = {{2, 3}}, .count = {.mass = 0.7f}},
                          model->spec);
        const auto ids = random_tokens(300, 24);
        const auto batch = all_logprobs(model, ids, {.hook = &hook}),
                   single = all_logprobs(model, ids, {.hook = &hook}, 1);
        for (size_t t = 0; t < batch.size(); ++t)
            for (size_t v = 0; v < batch[t].size(); ++v) ASSERT_NEAR(batch[t][v], single[t][v], 1e-4) << name;
    }
}

TEST(SteeredSession, NeverContinuesWhatAnotherProfileComputed) {
    const auto model = tiny_model("mixtral");
    const auto ids = random_tokens(300, 12);
    SteeringHook one({.mute = {{1, 2}}}, model->spec), same({.name = "x", .mute = {{1, 2}}}, model->spec),
        other({.mute = {{1, 3}}}, model->spec);
    EXPECT_EQ(one.fingerprint(), same.fingerprint());
    EXPECT_NE(one.fingerprint(), other.fingerprint());
    engine::Session session(model, {.hook = &one});
    session.evaluate(ids);
    session.set_hook(&same);
    EXPECT_EQ(session.length(), 12);
    session.set_hook(&other);
    EXPECT_EQ(session.length(), 0);
    const auto expected = all_logprobs(model, ids, {.hook = &other});
    EXPECT_EQ(log_softmax(session.evaluate(ids)), expected.back());
    session.set_hook(nullptr);
    EXPECT_EQ(session.length(), 0);
}

// A hook that changes its mind under a session.
TEST(SteeredSession, RefusesAHookThatChangesOverItsContext) {
    struct Fickle : moe::RoutingHook {
        std::string mind = "a";
        std::string fingerprint() const override { return mind; }
    } hook;
    engine::Session session(tiny_model("mixtral"), {.hook = &hook});
    session.evaluate(random_tokens(300, 5));
    hook.mind = "b";
    EXPECT_THROW(session.evaluate(random_tokens(300, 5)), Error);
    session.truncate(0);
    session.evaluate(random_tokens(300, 5));
}

TEST(SteeringProfile, RoundTripsThroughTomlAndItsHashIsOfWhatItDoes) {
    SteeringProfile profile{.name = "less \"German\"",
                            .bias = {{{3, 17}, 0.5f}, {{0, 1}, -1.25f}},
                            .mute = {{1, 2}},
                            .drop = {{1, 3}},
                            .force = {{2, 4}, {2, 5}},
                            .count = {.top_k = 4, .mass = 0.8f},
                            .layer_count = {{3, {.mass = 0.9f}}, {4, {.top_k = 2}}}};
    const SteeringProfile read = parse_profile(to_toml(profile), "x.toml");
    EXPECT_EQ(read, profile) << to_toml(profile);
    SteeringProfile renamed = profile;
    renamed.name = "other";
    EXPECT_EQ(hash_of(renamed), hash_of(profile));
    renamed.bias[{3, 17}] = 0.6f;
    EXPECT_NE(hash_of(renamed), hash_of(profile));
    EXPECT_EQ(hash_of({}), "");
}

TEST(SteeringProfile, FlagsSayTheSameAsAFile) {
    SteeringProfile flags;
    flags.add_bias("3.17=+0.5,0.1=-1");
    SteeringProfile::add_experts(flags.mute, "1.2, 1.3", "--mute");
    flags.add_count("4:80%,3=2");
    EXPECT_EQ(flags,
              parse_profile("mute = [\"1.2\", \"1.3\"]\nnum_experts = \"4:80%\"\n[bias]\n\"3.17\" = 0.5\n\"0.1\" "
                            "= -1\n[layers]\n3 = 2\n",
                            "x"));
}

TEST(SteeringProfile, LaterOnesAddAndOverrule) {
    SteeringProfile one = parse_profile("name = 'a'\nmute = ['1.2']\nnum_experts = 3\n[bias]\n'0.1' = 1", "x");
    one.merge(parse_profile("name = 'b'\nmute = ['1.3']\n[bias]\n'0.1' = 2\n'0.2' = 3", "y"));
    EXPECT_EQ(one, parse_profile("name = 'a + b'\nmute = ['1.2', '1.3']\nnum_experts = 3\n[bias]\n'0.1' = 2\n'0.2' = 3",
                                 "z"));
}

std::string refusal(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.what();
    }
    return "nothing was refused";
}

TEST(SteeringProfile, TheReferenceOfItsKeysIsAProfile) {
    std::string all;
    for (const ProfileKey& key : profile_reference())
        all += fmt::format("{}{}{}\n", key.table ? fmt::format("[{}]", key.key) : key.key, key.table ? "\n" : " = ",
                           key.example);
    const SteeringProfile profile = parse_profile(all, "reference");
    const std::string written = to_toml(profile);
    for (const ProfileKey& key : profile_reference()) EXPECT_THAT(written, HasSubstr(key.key)) << key.help;
    EXPECT_EQ(parse_profile(written, "written"), profile);
}

TEST(SteeringProfile, RefusesWhatItCannotRead) {
    for (const char* text : {"mute = 3", "mute = ['3']", "mute = ['3.x']", "mutes = []", "[bias]\n'1.2' = 'x'",
                             "num_experts = 0", "num_experts = '120%'", "num_experts = '4:80'", "[layers]\nx = 2",
                             "[bias]\n'1.2' = inf", "name = 3", "mute = [", "num_experts = ''", "num_experts = '%'"}) {
        const std::string message = refusal([&] { parse_profile(text, "p.toml"); });
        EXPECT_THAT(message, HasSubstr("p.toml:")) << text;
        EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
}

TEST(SteeringProfile, RefusesTheImpossibleWithTheLayersFacts) {
    const ModelSpec dots = tiny_spec("dots1"), deepseek = tiny_spec("deepseek2", {.experts = 8, .top_k = 3});
    const auto why = [&](const SteeringProfile& p, const ModelSpec& spec) { return refusal([&] { check(p, spec); }); };
    EXPECT_THAT(why({.mute = {{1, 6}}}, dots), HasSubstr("layer 1 has 6 experts (0 to 5), of which a token uses 2"));
    EXPECT_THAT(why({.force = {{3, 0}}}, dots), HasSubstr("there is no layer 3; tiny-dots1 has layers 0 to 2"));
    EXPECT_THAT(why({.bias = {{{0, 0}, 1}}}, dots), HasSubstr("layer 0 of tiny-dots1 has no experts"));
    EXPECT_THAT(why({.layer_count = {{0, {.top_k = 1}}}}, dots), HasSubstr("no experts"));
    EXPECT_THAT(why({.mute = {{1, 0}}, .force = {{1, 0}}}, dots), HasSubstr("expert 1.0 is forced and taken away"));
    EXPECT_THAT(why({.drop = {{1, 0}}, .force = {{1, 0}}}, dots), HasSubstr("expert 1.0 is forced and taken away"));
    EXPECT_THAT(why({.mute = {{1, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}}}, dots), HasSubstr("5 are muted; layer 1 has 6"));
    EXPECT_THAT(why({.drop = {{1, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5}}}, dots),
                HasSubstr("every expert of layer 1"));
    EXPECT_THAT(why({.force = {{1, 0}, {1, 1}, {1, 2}}}, dots), HasSubstr("3 experts of layer 1 are forced"));
    EXPECT_THAT(why({.count = {.top_k = 7}}, dots), HasSubstr("must use 7 experts"));
    // Two groups of four, of which one is used: muting two of a group leaves a token of that group too few.
    EXPECT_THAT(why({.mute = {{1, 0}, {1, 1}}}, deepseek), HasSubstr("out of 1 of 2 groups"));
    EXPECT_THAT(why({.force = {{1, 0}, {1, 4}}}, deepseek), HasSubstr("experts of 2 groups of layer 1 are forced"));
    check({.mute = {{1, 0}}, .force = {{1, 4}, {1, 5}}}, deepseek);
    EXPECT_THAT(why({.count = {.top_k = 1}}, tiny_spec("llama")), HasSubstr("has no experts to steer"));
}

}  // namespace
}  // namespace gremium::hooks
