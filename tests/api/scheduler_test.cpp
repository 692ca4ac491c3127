#include <gremium/scheduler.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "tests/api/model_files.h"

namespace gremium::api::test {
namespace {

using testing::HasSubstr;

const GenerateOptions greedy{.max_tokens = 12, .sampler = {.temperature = 0}, .ignore_end = true};

class Requested : public testing::Test {
  protected:
    Folder folder_;
    Engine engine_ = Engine::open(write_model(folder_ / "m.gguf"));
    std::vector<int32_t> prompt_ = random_tokens(300, 20);
};

void run(Scheduler& scheduler) {
    while (scheduler.step()) {
    }
}

// Three profiles with every kind of wish, and none: all get in one batch what a session gives each.
TEST_F(Requested, EachUnderItsOwnSteeringGetsWhatItGetsAlone) {
    SteeringProfile profiles[4];
    profiles[1].mute(0, 1).bias(1, 2, 3).experts_per_token_of_layer(2, 1);
    profiles[2].force(0, 5).drop(1, 0).experts_per_token(3);
    profiles[3].experts_per_token(4, 0.7f);
    std::vector<Answer> answers(4);
    Scheduler scheduler(engine_, {.sequences = 4, .prefill_chunk = 512});
    for (size_t i = 0; i < 4; ++i)
        scheduler.submit({.prompt = prompt_,
                          .generate = greedy,
                          .steering = profiles[i],
                          .on_finish = [&answers, i](const Answer& answer) { answers[i] = answer; }});
    run(scheduler);
    for (size_t i = 0; i < 4; ++i) {
        const Answer alone = Session(engine_, {.steering = profiles[i]}).generate(prompt_, greedy);
        EXPECT_EQ(answers[i].tokens, alone.tokens) << i;
        EXPECT_EQ(answers[i].text, alone.text);
        EXPECT_EQ(answers[i].finish, alone.finish);
        EXPECT_EQ(answers[i].tokens == answers[0].tokens, i == 0);
    }
}

TEST_F(Requested, AHookSeesItsOwnTokens) {
    struct Mine : RoutingHook {
        std::vector<int32_t> tokens;
        void after_selection(const AfterSelection& s) override {
            if (s.layer == 0) tokens.insert(tokens.end(), s.tokens_T.begin(), s.tokens_T.end());
        }
    };
    const auto mine = std::make_shared<Mine>();
    Answer answer;
    Scheduler scheduler(engine_);
    scheduler.submit({.prompt = random_tokens(300, 9, 5), .generate = greedy});
    scheduler.submit(
        {.prompt = prompt_, .generate = greedy, .hooks = {mine}, .on_finish = [&](const Answer& a) { answer = a; }});
    run(scheduler);
    std::vector<int32_t> expected = prompt_;
    expected.insert(expected.end(), answer.tokens.begin(), answer.tokens.end() - 1);
    EXPECT_EQ(mine->tokens, expected);
}

TEST_F(Requested, StopsStreamsAndCallbacksAreTheRequestsOwn) {
    const Answer whole = Session(engine_).generate(prompt_, greedy);
    GenerateOptions stopping = greedy;
    stopping.stops = {characters(whole.text)[3]};
    std::string heard;
    std::map<int, Answer> answers;
    Scheduler scheduler(engine_);
    const auto keep = [&](int n) { return [&answers, n](const Answer& answer) { answers[n] = answer; }; };
    scheduler.submit({.prompt = prompt_,
                      .generate = stopping,
                      .on_text =
                          [&](std::string_view text, int32_t) {
                              heard += text;
                              return true;
                          },
                      .on_finish = keep(0)});
    scheduler.submit({.prompt = prompt_,
                      .generate = greedy,
                      .on_text = [](std::string_view, int32_t) { return false; },
                      .on_finish = keep(1)});
    scheduler.submit({.prompt = prompt_, .generate = greedy, .on_finish = keep(2)});
    run(scheduler);
    EXPECT_EQ(answers[0].finish, Finish::stop);
    EXPECT_EQ(answers[0].text, whole.text.substr(0, whole.text.find(stopping.stops[0])));
    EXPECT_EQ(heard, answers[0].text);
    EXPECT_EQ(answers[1].finish, Finish::callback);
    EXPECT_EQ(answers[1].tokens.size(), 1u);
    EXPECT_EQ(answers[2].text, whole.text);
    EXPECT_EQ(answers[2].finish, Finish::length);
}

TEST_F(Requested, SubmittedAndCancelledFromOtherThreads) {
    std::atomic<int> ended = 0, cancelled = 0;
    Scheduler scheduler(engine_, {.sequences = 3});
    std::atomic<bool> all = false;
    std::thread other([&] {
        for (int i = 0; i < 20; ++i) {
            const Scheduler::Id id =
                scheduler.submit({.prompt = prompt_, .generate = greedy, .on_finish = [&](const Answer& answer) {
                                      ++ended;
                                      if (answer.finish == Finish::cancelled) ++cancelled;
                                  }});
            if (i % 2) scheduler.cancel(id);
        }
        all = true;
    });
    while (scheduler.step() || !all || scheduler.waiting() > 0) {
    }
    other.join();
    EXPECT_EQ(ended, 20);
    EXPECT_LE(cancelled, 10);
}

TEST_F(Requested, TheEndOfASchedulerIsHeard) {
    Answer running, waiting;
    {
        Scheduler scheduler(engine_, {.sequences = 1});
        scheduler.submit({.prompt = prompt_, .generate = greedy, .on_finish = [&](const Answer& a) { running = a; }});
        scheduler.submit({.prompt = prompt_, .generate = greedy, .on_finish = [&](const Answer& a) { waiting = a; }});
        EXPECT_EQ(scheduler.waiting(), 2);
        scheduler.step();
        EXPECT_EQ(scheduler.running(), 1);
    }
    EXPECT_EQ(running.finish, Finish::cancelled);
    EXPECT_EQ(running.tokens.size(), 1u);
    EXPECT_EQ(waiting.finish, Finish::cancelled);
}

TEST_F(Requested, WhatIsRefused) {
    Scheduler scheduler(engine_, {.context = 24});
    EXPECT_EQ(scheduler.capacity(), 24);
    SteeringProfile nonsense;
    nonsense.force(9, 0);
    EXPECT_THAT(error_of([&] { scheduler.submit({.prompt = {}}); }), HasSubstr("empty"));
    EXPECT_THAT(error_of([&] { scheduler.submit({.prompt = {300}}); }), HasSubstr("300"));
    EXPECT_THAT(error_of([&] { scheduler.submit({.prompt = random_tokens(300, 25)}); }), HasSubstr("25 tokens"));
    EXPECT_THAT(error_of([&] { scheduler.submit({.prompt = prompt_, .steering = nonsense}); }),
                HasSubstr("no layer 9"));
    EXPECT_THAT(error_of([&] { scheduler.submit({.prompt = prompt_, .hooks = {nullptr}}); }), HasSubstr("null"));
    EXPECT_THAT(error_of([&] { Scheduler(engine_, {.sequences = 0}); }), HasSubstr("0 sequences"));
    EXPECT_EQ(scheduler.waiting(), 0);
    EXPECT_FALSE(scheduler.step());
}

}  // namespace
}  // namespace gremium::api::test
