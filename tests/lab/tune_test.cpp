// Training only some experts.
#include "lab/tune/tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/parallel.h"
#include "lab/edit/edits.h"
#include "lab/find/compare.h"
#include "lab/find/find.h"
#include "tensor/quantised/blocks.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"

namespace gremium::lab {
namespace {

using moe::ExpertId;
using test::random_tokens;
using test::tiny_model;
using testing::ElementsAre;
using testing::UnorderedElementsAreArray;

// A text that can be learnt: tokens that follow each other in a circle of 40.
data::Windows circle(size_t count, int first = 10) {
    data::Windows windows;
    for (size_t i = 0; i < count; ++i) {
        std::vector<int32_t> w;
        for (int t = 0; t < 24; ++t) w.push_back(first + (static_cast<int>(i) * 7 + t) % 40);
        windows.push_back(w);
    }
    return windows;
}

double loss(const Model& model, const data::Windows& windows) { return compare({&model}, {}, windows).original.loss; }

TEST(Tune, OnlyTheChosenExpertsAndTheirRouterRowsChange) {
    const auto model = tiny_model("dots1");
    const TuneOptions options{.experts = {{1, 0}, {1, 4}, {2, 3}}, .routers = true, .steps = 5, .batch = 8};
    const Tuned tuned = tune(model, circle(20), {}, options);
    std::vector<std::string> expected;
    for (const char* expert : {"1 0", "1 4", "2 3"})
        for (const char* name : {"gate", "up", "down"})
            expected.push_back(fmt::format("blk.{}.ffn_{}_exps.weight of expert {}", expert[0], name, expert[2]));
    expected.push_back("blk.1.ffn_gate_inp.weight");
    expected.push_back("blk.2.ffn_gate_inp.weight");
    EXPECT_THAT(differing_tensors(*model, *tuned.model), UnorderedElementsAreArray(expected));
    EXPECT_EQ(trained_slots(*model, options).size(), expected.size());
    for (size_t layer : {1, 2}) {
        const auto before = to_floats(model->weights.layers[layer].moe().router.value),
                   after = to_floats(tuned.model->weights.layers[layer].moe().router.value);
        for (size_t e = 0; e < 6; ++e) {
            const bool same =
                std::equal(before.begin() + static_cast<long>(e) * 32, before.begin() + static_cast<long>(e + 1) * 32,
                           after.begin() + static_cast<long>(e) * 32);
            EXPECT_EQ(same, !(layer == 1 ? e == 0 || e == 4 : e == 3)) << layer << "." << e;
        }
    }
}

TEST(Tune, LearnsAndReplayKeeps) {
    const auto model = tiny_model("mixtral");
    const data::Windows fresh = circle(40), old = circle(40, 200);
    TuneOptions options{.experts = experts_for(*model, fresh, 0.5), .steps = 60, .batch = 4, .lr = 5e-3};
    std::vector<double> losses;
    options.on_step = [&](int64_t, double value) { losses.push_back(value); };
    const Tuned without = tune(model, fresh, {}, options);
    ASSERT_EQ(losses.size(), 60u);
    EXPECT_LT(losses.back(), losses.front() - 1);
    EXPECT_LT(loss(*without.model, fresh), loss(*model, fresh) - 1);
    options.replay = 0.3;
    const Tuned with = tune(model, fresh, old, options);
    EXPECT_LT(loss(*with.model, old), loss(*without.model, old) - 0.2);
}

// What a step does to a tensor does not depend on what else is trained, beside the clipping of both: compared in
// direction.
TEST(Tune, GradientsAreThoseOfTrainingEverything) {
    const auto model = tiny_model("qwen3moe");
    const data::Windows text = circle(8);
    const TuneOptions one{.experts = {{1, 2}}, .steps = 1, .lr = 1e-3};
    TuneOptions all = one;
    all.everything = true;
    const auto alone = tune(model, text, {}, one).model, together = tune(model, text, {}, all).model;
    const auto before = to_floats(model->experts->peek({1, 2}).down.value),
               a = to_floats(alone->experts->peek({1, 2}).down.value),
               b = to_floats(together->experts->peek({1, 2}).down.value);
    // AdamW's first step is lr · g / (|g| + 1e-8): lr times the sign of each gradient, unless that is so small that
    // clipping both to another norm shows.
    size_t whole_steps = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        const float of_one = a[i] - before[i], of_all = b[i] - before[i];
        ASSERT_GT(of_one * of_all, 0) << i;
        if (std::abs(of_all) < 0.99e-3f) continue;
        ++whole_steps;
        ASSERT_NEAR(of_one, of_all, 1e-5) << i;
    }
    EXPECT_GT(whole_steps, a.size() * 9 / 10);
    EXPECT_NE(a, before);
    EXPECT_GT(differing_tensors(*model, *together).size(), 30u);
}

TEST(Tune, WhatIsStoredInBlocksStaysSo) {
    Draft draft(tiny_model("mixtral", {.expert_hidden = 32}));
    for (const DraftLayer& layer : std::vector(draft.layers())) retype(draft, layer.layer, -1, DType::q8_0);
    const auto model = draft.model();
    const Tuned tuned = tune(model, circle(10), {}, {.experts = {{1, 2}}, .steps = 5, .lr = 1e-2});
    EXPECT_EQ(tuned.model->experts->peek({1, 2}).up.value.dtype, DType::q8_0);
    EXPECT_THAT(differing_tensors(*model, *tuned.model),
                ElementsAre("blk.1.ffn_gate_exps.weight of expert 2", "blk.1.ffn_up_exps.weight of expert 2",
                            "blk.1.ffn_down_exps.weight of expert 2"));
}

TEST(Tune, ThreadsChangeNoBit) {
    const auto model = tiny_model("dots1");
    const TuneOptions options{.experts = {{1, 0}, {2, 3}}, .routers = true, .steps = 4};
    const int before = threads();
    set_threads(1);
    const auto one = tune(model, circle(10), circle(10, 100), options).model;
    set_threads(3);
    const auto three = tune(model, circle(10), circle(10, 100), options).model;
    set_threads(before);
    EXPECT_THAT(differing_tensors(*one, *three), ElementsAre());
}

TEST(Tune, EveryArchitectureWithExpertsCanLearn) {
    for (const std::string& name : test::tiny_architectures()) {
        const auto model = tiny_model(name);
        if (!model->experts) continue;
        const int layer = Draft(model).layers()[0].layer;
        const Tuned tuned =
            tune(model, circle(10), {}, {.experts = {{layer, 1}, {layer, 2}}, .routers = true, .steps = 2});
        EXPECT_GE(differing_tensors(*model, *tuned.model).size(), 4u) << name;
    }
}

// Of one layer the best, of all layers as many as have the same sum of relevance.
TEST(Tune, EsftTakesWhatHasTheSameRelevanceInEachLayer) {
    const auto model = tiny_model("mixtral");
    const data::Windows text = circle(10);
    const auto uses = measure_use(*model, text);
    for (const bool by_gate : {false, true}) {
        const auto relevance = [&](const ExpertUse& use) { return by_gate ? use.gate() : use.token_ratio; };
        const auto chosen = experts_for(*model, text, 0.5, by_gate);
        EXPECT_EQ(chosen.size(), 9u);  // of eighteen in three layers
        // The sum before the last expert taken of a layer is below that before the first one left of any.
        double taken = 0, left = 1;
        for (int layer = 0; layer < 3; ++layer) {
            double sum = 0, last = 0, least = 1, best_left = 0;
            for (const ExpertUse& use : uses) {
                if (use.id.layer != layer) continue;
                if (!chosen.contains(use.id)) best_left = std::max(best_left, relevance(use));
                if (!chosen.contains(use.id)) continue;
                sum += relevance(use);
                least = std::min(least, relevance(use));
            }
            last = sum - least;
            EXPECT_GE(least, best_left);
            taken = std::max(taken, last);
            left = std::min(left, sum);
        }
        EXPECT_LE(taken, left);
    }
    EXPECT_EQ(experts_for(*model, text, 0.01).size(), 3u);  // one of each layer at least
}

TEST(Tune, RefusesWhatItCannotDo) {
    const auto model = tiny_model("mixtral");
    EXPECT_THROW(tune(model, circle(3), {}, {.experts = {{1, 6}}}), Error);
    EXPECT_THROW(tune(model, circle(3), {}, {}), Error);
    EXPECT_THROW(tune(model, {}, {}, {.experts = {{1, 2}}}), Error);
    EXPECT_THROW(tune(model, circle(3), {}, {.experts = {{1, 2}}, .rank = 999}), Error);
    EXPECT_THROW(tune(tiny_model("llama"), circle(3), {}, {.experts = {{1, 2}}}), Error);
    EXPECT_THROW(differing_tensors(*model, *tiny_model("dots1")), Error);
}

}  // namespace
}  // namespace gremium::lab
