#include "engine/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "base/error.h"
#include "base/parallel.h"
#include "engine/memory.h"
#include "engine/session.h"
#include "tests/model/tiny_model.h"

namespace gremium::engine {
namespace {

using test::random_tokens;
using test::tiny_model;
using test::tiny_spec;
using testing::ElementsAre;

constexpr SamplerOptions greedy{.temperature = 0};

// What becomes of requests, by the order they were made in. Must outlive the scheduler, which cancels what is left.
struct Answers {
    std::map<size_t, std::vector<int32_t>> tokens;
    std::map<size_t, Finish> finished;
    std::vector<size_t> order;  // of finishing

    Request request(size_t n, std::vector<int32_t> prompt, GenerateOptions generate) {
        return {.prompt = std::move(prompt),
                .generate = generate,
                .on_token =
                    [this, n](int32_t token) {
                        tokens[n].push_back(token);
                        return true;
                    },
                .on_finish =
                    [this, n](Finish how) {
                        EXPECT_FALSE(finished.contains(n));
                        finished[n] = how;
                        order.push_back(n);
                    }};
    }
};

GenerateOptions some(int64_t tokens, SamplerOptions sampler = greedy) {
    return {.max_tokens = tokens, .sampler = sampler, .ignore_end = true};
}

void run_all(Scheduler& scheduler) {
    while (scheduler.step()) {
    }
}

class Schedulers : public testing::TestWithParam<std::string> {};

// Requests of all lengths, greedy and drawn, that join at different steps while others leave.
TEST_P(Schedulers, EveryRequestGetsWhatItGetsAlone) {
    const auto model = tiny_model(GetParam());
    Answers answers;
    Scheduler scheduler(model, {.sequences = 3, .prefill_chunk = 16});
    std::vector<std::pair<std::vector<int32_t>, GenerateOptions>> requests;
    for (size_t n = 0; n < 8; ++n) {
        const SamplerOptions drawn{.temperature = 1.5f, .top_k = 0, .top_p = 1, .min_p = 0, .seed = n};
        requests.emplace_back(random_tokens(300, 1 + 11 * (n % 4), n),
                              some(4 + static_cast<int64_t>(n) * 3, n % 2 ? greedy : drawn));
    }
    for (size_t n = 0; n < requests.size(); ++n) {
        scheduler.submit(answers.request(n, requests[n].first, requests[n].second));
        for (size_t i = 0; i < n % 3; ++i) scheduler.step();
        EXPECT_LE(scheduler.running(), 3);
    }
    run_all(scheduler);
    EXPECT_EQ(scheduler.running() + scheduler.waiting(), 0);
    for (size_t n = 0; n < requests.size(); ++n) {
        Session alone(model, {.prefill_chunk = 16});
        EXPECT_EQ(answers.tokens[n], generate(alone, requests[n].first, requests[n].second, nullptr)) << n;
        EXPECT_EQ(answers.finished.at(n), Finish::max_tokens);
    }
}

INSTANTIATE_TEST_SUITE_P(Architectures, Schedulers, testing::ValuesIn(test::tiny_architectures()),
                         [](const auto& test) { return test.param; });

// Experts that take one choice of a call, or draw their second ones, do not couple sequences.
TEST(Scheduler, CapacityIsEachSequencesOwn) {
    ModelSpec spec = tiny_spec("mixtral");
    for (LayerSpec& layer : spec.layers) {
        auto& router = std::get<MoeSpec>(layer.feed_forward).router;
        router.capacity = 3;
        router.second = moe::RouterPolicy::Second::sampled;
    }
    const auto model = tiny_model(spec, test::tiny_tensors(spec));
    Answers answers;
    Scheduler scheduler(model, {.prefill_chunk = 16});
    for (size_t n = 0; n < 4; ++n) scheduler.submit(answers.request(n, random_tokens(300, 3 + 5 * n, n), some(12)));
    run_all(scheduler);
    for (size_t n = 0; n < 4; ++n) {
        Session alone(model, {.prefill_chunk = 16});
        EXPECT_EQ(answers.tokens[n], generate(alone, random_tokens(300, 3 + 5 * n, n), some(12), nullptr));
    }
}

TEST(Scheduler, ThreadsChangeNothing) {
    const auto model = tiny_model("qwen3moe");
    const auto run = [&](int threads) {
        set_threads(threads);
        Answers answers;
        Scheduler scheduler(model, {.prefill_chunk = 8});
        for (size_t n = 0; n < 5; ++n)
            scheduler.submit(answers.request(n, random_tokens(300, 9, n), some(9, {.temperature = 2, .seed = n})));
        run_all(scheduler);
        set_threads(0);
        return answers.tokens;
    };
    EXPECT_EQ(run(1), run(3));
}

// While a long prompt is read, what decodes gets a token each step.
TEST(Scheduler, PromptsDoNotStarveWhatDecodes) {
    Answers answers;
    Scheduler scheduler(tiny_model("mixtral"), {.sequences = 2, .prefill_chunk = 4});
    scheduler.submit(answers.request(0, random_tokens(300, 3), some(60)));
    scheduler.step();
    scheduler.submit(answers.request(1, random_tokens(300, 40), some(2)));
    for (size_t step = 2; step <= 10; ++step) {
        scheduler.step();
        EXPECT_EQ(answers.tokens[0].size(), step);
        EXPECT_TRUE(answers.tokens[1].empty());
    }
    scheduler.step();
    EXPECT_EQ(answers.tokens[1].size(), 1u);
}

// Two prompts take turns; short ones share a step.
TEST(Scheduler, PromptsTakeTurns) {
    Answers answers;
    Scheduler scheduler(tiny_model("llama"), {.sequences = 4, .prefill_chunk = 8});
    scheduler.submit(answers.request(0, random_tokens(300, 64), some(1)));
    scheduler.submit(answers.request(1, random_tokens(300, 16), some(1)));
    scheduler.submit(answers.request(2, random_tokens(300, 3), some(1)));
    scheduler.submit(answers.request(3, random_tokens(300, 5), some(1)));
    run_all(scheduler);
    EXPECT_THAT(answers.order, ElementsAre(2, 3, 1, 0));
}

TEST(Scheduler, EndsForEveryReason) {
    const auto model = tiny_model("llama");
    Answers answers;
    Scheduler scheduler(model, {.context = 12});
    scheduler.submit(answers.request(0, random_tokens(300, 4), some(5)));
    scheduler.submit(answers.request(1, random_tokens(300, 9), some(50)));
    Request stopped = answers.request(2, random_tokens(300, 4), some(5));
    stopped.on_token = [](int32_t) { return false; };
    scheduler.submit(stopped);
    const auto cancelled = scheduler.submit(answers.request(3, random_tokens(300, 4), some(8)));
    scheduler.submit(answers.request(4, random_tokens(300, 4), some(0)));
    scheduler.step();
    scheduler.step();
    scheduler.cancel(cancelled);
    run_all(scheduler);
    EXPECT_EQ(answers.finished[0], Finish::max_tokens);
    EXPECT_EQ(answers.tokens[0].size(), 5u);
    EXPECT_EQ(answers.finished[1], Finish::context_full);
    EXPECT_EQ(answers.tokens[1].size(), 4u);  // the last needs no place
    EXPECT_EQ(answers.finished[2], Finish::stopped);
    EXPECT_EQ(answers.finished[3], Finish::cancelled);
    EXPECT_EQ(answers.tokens[3].size(), 2u);
    EXPECT_EQ(answers.finished[4], Finish::max_tokens);
    EXPECT_TRUE(answers.tokens[4].empty());
}

// The head's row of </s> equals what the prompt ends in.
TEST(Scheduler, EndsAtTheEndOfGeneration) {
    const ModelSpec spec = tiny_spec("llama");
    const auto tensors = test::tiny_tensors(spec);
    const Tensor head = tensors->at("output.weight");
    std::fill_n(head.f32(), head.count(), 0.0f);
    const auto model = tiny_model(spec, tensors);
    Arena arena;
    ops::Graph g(arena, {});
    const std::vector<int32_t> prompt = random_tokens(300, 3), positions{0, 1, 2};
    const Forward out = forward(g, *model, {.tokens = prompt, .positions = positions, .sequences = {}});
    std::copy_n(reinterpret_cast<const float*>(out.hidden_TD->value.row(2)), spec.dim, head.f32() + 2 * spec.dim);
    Answers answers;
    Scheduler scheduler(model);
    scheduler.submit(answers.request(0, prompt, {.max_tokens = 4, .sampler = greedy}));
    run_all(scheduler);
    EXPECT_EQ(answers.finished.at(0), Finish::end_of_generation);
    EXPECT_TRUE(answers.tokens[0].empty());
}

// Memory for the context of one sequence: two short ones run together, a long one alone, in the order they came.
TEST(Scheduler, MemoryIsSharedInTurns) {
    const auto model = tiny_model("mixtral");
    const MemoryNeed need =
        memory_need(*model, {.context = 64, .chunk = 128 + 8, .logit_rows = 8, .cache = DType::f32});
    Answers answers;
    Scheduler scheduler(model, {.context = 64, .memory = need.cache() + need.activations});
    scheduler.submit(answers.request(0, random_tokens(300, 20), some(10)));
    scheduler.submit(answers.request(1, random_tokens(300, 20), some(12)));
    scheduler.submit(answers.request(2, random_tokens(300, 40), some(20)));
    scheduler.submit(answers.request(3, random_tokens(300, 2), some(2)));  // does not overtake
    scheduler.step();
    EXPECT_EQ(scheduler.running(), 2);
    run_all(scheduler);
    EXPECT_EQ(answers.order.front(), 0u);
    EXPECT_EQ(answers.order[1], 1u);
    EXPECT_EQ(answers.finished.size(), 4u);
}

TEST(Scheduler, RefusesWhatCannotRun) {
    const auto model = tiny_model("llama");
    EXPECT_THROW(Scheduler(model, {.sequences = 0}), Error);
    EXPECT_THROW(Scheduler(model, {.prefill_chunk = 0}), Error);
    EXPECT_THROW(Scheduler(model, {.context = 100, .memory = 1000}), Error);
    Scheduler scheduler(model, {.context = 10});
    EXPECT_THROW(scheduler.submit({.prompt = {}}), Error);
    EXPECT_THROW(scheduler.submit({.prompt = {300}}), Error);
    EXPECT_THROW(scheduler.submit({.prompt = random_tokens(300, 11)}), Error);
    EXPECT_THROW(scheduler.submit({.prompt = {1}, .source = {1}}), Error);
    EXPECT_THROW(scheduler.submit({.prompt = {1}, .generate = {.sampler = {.temperature = -1}}}), Error);
    EXPECT_FALSE(scheduler.step());
}

// Keeps the tokens it is told of; may change its mind or fail.
class Hook : public moe::RoutingHook {
  public:
    std::vector<std::vector<int32_t>> seen;
    std::string name;
    bool fails = false;
    void after_selection(const moe::AfterSelection& s) override {
        if (fails) fail("no");
        if (s.layer == 1) seen.emplace_back(s.batch.tokens.begin(), s.batch.tokens.end());
    }
    std::string fingerprint() const override { return name; }
};

Request with(moe::RoutingHook* hook, Request request) {
    request.hook = hook;
    return request;
}

// A hook of two requests is told of each apart; one that has none is told to nobody.
TEST(Scheduler, HooksAreToldOfTheirOwnSequence) {
    Hook one, both;
    Answers answers;
    Scheduler scheduler(tiny_model("mixtral"));
    scheduler.submit(with(&both, answers.request(0, {7, 8}, some(2))));
    scheduler.submit(answers.request(1, {9, 10, 11}, some(2)));
    scheduler.submit(with(&one, answers.request(2, {12}, some(3))));
    scheduler.submit(with(&both, answers.request(3, {13, 14}, some(1))));
    run_all(scheduler);
    const auto& made = answers.tokens;
    EXPECT_THAT(both.seen, ElementsAre(ElementsAre(7, 8), ElementsAre(13, 14), ElementsAre(made.at(0)[0])));
    EXPECT_THAT(one.seen, ElementsAre(ElementsAre(12), ElementsAre(made.at(2)[0]), ElementsAre(made.at(2)[1])));
}

TEST(Scheduler, SteeringStaysWhileSequencesRun) {
    Hook hook;
    Answers answers;
    Scheduler scheduler(tiny_model("mixtral"));
    scheduler.submit(with(&hook, answers.request(0, random_tokens(300, 2), some(4))));
    scheduler.step();
    hook.name = "other";
    EXPECT_THROW(scheduler.step(), Error);
    hook.name = "";
    run_all(scheduler);
    EXPECT_EQ(answers.finished.at(0), Finish::max_tokens);
    hook.name = "other";
    scheduler.submit(with(&hook, answers.request(1, random_tokens(300, 2), some(4))));
    run_all(scheduler);
    EXPECT_EQ(answers.finished.at(1), Finish::max_tokens);
}

// Whose hook has changed can be cancelled; the others go on.
TEST(Scheduler, ChangedSteeringIsOneRequestsFault) {
    Hook hook, other;
    Answers answers;
    Scheduler scheduler(tiny_model("mixtral"));
    const auto id = scheduler.submit(with(&hook, answers.request(0, random_tokens(300, 2), some(4))));
    scheduler.submit(with(&other, answers.request(1, random_tokens(300, 2), some(4))));
    scheduler.step();
    hook.name = "other";
    EXPECT_THROW(scheduler.step(), Error);
    scheduler.cancel(id);
    run_all(scheduler);
    EXPECT_EQ(answers.finished.at(0), Finish::cancelled);
    EXPECT_EQ(answers.finished.at(1), Finish::max_tokens);
    EXPECT_EQ(answers.tokens[1].size(), 4u);
}

TEST(Scheduler, AnErrorEndsWhatRanAndKeepsWhatWaits) {
    Hook hook;
    Answers answers;
    Scheduler scheduler(tiny_model("mixtral"), {.sequences = 1});
    for (size_t n = 0; n < 2; ++n) scheduler.submit(with(&hook, answers.request(n, random_tokens(300, 2), some(4))));
    scheduler.step();
    hook.fails = true;
    EXPECT_THROW(scheduler.step(), Error);
    hook.fails = false;
    run_all(scheduler);
    EXPECT_EQ(answers.finished.at(0), Finish::failed);
    EXPECT_EQ(answers.finished.at(1), Finish::max_tokens);
    EXPECT_EQ(answers.tokens[1].size(), 4u);
}

TEST(Scheduler, EndsEverythingWithItself) {
    Answers answers;
    {
        Scheduler scheduler(tiny_model("llama"), {.sequences = 1});
        for (size_t n = 0; n < 2; ++n) scheduler.submit(answers.request(n, random_tokens(300, 2), some(4)));
        scheduler.step();
    }
    EXPECT_EQ(answers.finished.at(0), Finish::cancelled);
    EXPECT_EQ(answers.finished.at(1), Finish::cancelled);
}

// Requests come from other threads, and from callbacks.
TEST(Scheduler, TakesRequestsFromAnywhere) {
    const auto model = tiny_model("llama");
    Answers answers;
    Scheduler scheduler(model, {.sequences = 2});
    Request first = answers.request(0, {5}, some(3));
    first.on_finish = [&](Finish) { scheduler.submit(answers.request(1, {6}, some(3))); };
    scheduler.submit(first);
    std::thread other([&] {
        for (size_t n = 2; n < 20; ++n) {
            const auto id = scheduler.submit(answers.request(n, random_tokens(300, n, n), some(5)));
            if (n % 5 == 0) scheduler.cancel(id);
        }
    });
    while (answers.finished.size() < 19) scheduler.step();
    other.join();
    for (size_t n = 1; n < 20; ++n) {
        if (answers.finished.at(n) == Finish::cancelled) continue;
        EXPECT_EQ(answers.tokens[n].size(), n == 1 ? 3u : 5u);
    }
}

}  // namespace
}  // namespace gremium::engine
