// Answers: the same alone and beside others, with stops, steering, explanations and records.
#include "hooks/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "hooks/recorder.h"
#include "hooks/replay.h"
#include "tests/model/tiny_model.h"

namespace gremium::hooks {
namespace {

using test::tiny_model;

constexpr engine::GenerateOptions drawn{
    .max_tokens = 24, .sampler = {.temperature = 1.2f, .seed = 7}, .ignore_end = true};

AnswerResult answer(const std::shared_ptr<const Model>& model, AnswerOptions options,
                    const std::string& text = "the hare") {
    Answer answer(model, engine::text_prompt(*model, text), std::move(options));
    engine::PromptCache cache(model);
    return answer.run(cache);
}

// Some characters from the middle of an unhindered answer, which more than one token makes.
std::string stop_inside(const AnswerResult& whole) {
    const size_t third = whole.text.size() / 3;
    std::string stop = whole.text.substr(third, whole.text.size() / 3);
    while (!stop.empty() && (stop.front() & 0xC0) == 0x80) stop.erase(0, 1);
    while (!stop.empty() && (stop.back() & 0x80)) stop.pop_back();
    return stop;
}

TEST(Answer, TextComesInPartsThatAreTheWhole) {
    const auto model = tiny_model("olmoe");
    std::string heard;
    std::vector<int32_t> tokens, positions;
    const AnswerResult result = answer(model, {.generate = drawn,
                                               .on_text =
                                                   [&](std::string_view text, int32_t position) {
                                                       heard += text;
                                                       positions.push_back(position);
                                                   },
                                               .on_token =
                                                   [&](int32_t token) {
                                                       tokens.push_back(token);
                                                       return true;
                                                   }});
    EXPECT_EQ(result.text, heard);
    EXPECT_EQ(result.tokens, tokens);
    EXPECT_EQ(result.tokens.size(), 24u);
    EXPECT_EQ(result.finish, engine::Finish::max_tokens);
    EXPECT_EQ(result.speed.decode_tokens, 23);
    EXPECT_TRUE(std::ranges::is_sorted(positions));
    const auto prompt = static_cast<int32_t>(model->tokenizer->encode("the hare").size());
    EXPECT_GE(positions.front(), prompt - 1);
    EXPECT_LE(positions.back(), prompt + 22);
}

TEST(Answer, EndsAtAStopText) {
    const auto model = tiny_model("olmoe");
    const AnswerResult whole = answer(model, {.generate = drawn});
    const std::string stop = stop_inside(whole);
    ASSERT_GT(stop.size(), 3u);
    const AnswerResult result = answer(model, {.generate = drawn, .stop = {"never there", stop}});
    EXPECT_EQ(result.text, whole.text.substr(0, whole.text.find(stop)));
    EXPECT_EQ(result.finish, engine::Finish::stopped);
    ASSERT_LT(result.tokens.size(), whole.tokens.size());
    EXPECT_TRUE(std::ranges::equal(result.tokens, std::span(whole.tokens).first(result.tokens.size())));
    EXPECT_EQ(answer(model, {.generate = drawn, .stop = {"never there"}}).text, whole.text);
    EXPECT_THROW(answer(model, {.stop = {""}}), Error);
}

TEST(Answer, StopsWhenAskedTo) {
    const AnswerResult result =
        answer(tiny_model("olmoe"), {.generate = drawn, .on_token = [](int32_t) { return false; }});
    EXPECT_EQ(result.tokens.size(), 1u);
    EXPECT_EQ(result.finish, engine::Finish::stopped);
}

TEST(Answer, WatchersChangeNothing) {
    const auto model = tiny_model("dots1");
    const AnswerResult plain = answer(model, {.generate = drawn});
    RouteRecorder recorder(model->spec);
    std::vector<std::string> lines;
    const AnswerResult watched = answer(
        model, {.generate = drawn, .watcher = &recorder, .explain = true, .on_audit = [&](const std::string& line) {
                    lines.push_back(line);
                }});
    EXPECT_EQ(watched.tokens, plain.tokens);
    EXPECT_EQ(watched.text, plain.text);
    EXPECT_TRUE(plain.explained.empty());
    ASSERT_EQ(watched.explained.size(), watched.tokens.size());
    for (size_t i = 0; i < watched.tokens.size(); ++i) {
        EXPECT_EQ(watched.explained[i].token, watched.tokens[i]);
        EXPECT_NEAR(watched.explained[i].sum(), watched.explained[i].difference, 1e-3);
    }
    const size_t evaluated = model->tokenizer->encode("the hare").size() + 23;
    EXPECT_EQ(recorder.size(), recorder.layers().size() * evaluated);
    EXPECT_EQ(lines.size(), 1 + evaluated + 1);
}

TEST(Answer, BesideOthersIsAsAlone) {
    const auto model = tiny_model("mixtral");
    SteeringHook one({.mute = {{0, 1}, {2, 3}}}, model->spec), other({.bias = {{{1, 2}, 5.0f}}}, model->spec);
    const std::string stop = stop_inside(answer(model, {.generate = drawn, .steering = &one}));
    const std::vector<std::pair<std::string, AnswerOptions>> asked{
        {"the hare", {.generate = drawn}},
        {"the hare", {.generate = drawn, .steering = &one}},
        {"the hare", {.generate = drawn, .steering = &other}},
        {"the hare", {.generate = drawn, .stop = {stop}, .steering = &one}},
        {"she eats the rest", {.generate = drawn, .steering = &other}}};
    engine::Scheduler scheduler(model, {.sequences = 4, .prefill_chunk = 512});
    std::vector<std::optional<AnswerResult>> together(asked.size());
    for (size_t i = 0; i < asked.size(); ++i) {
        const auto answer =
            std::make_shared<Answer>(model, engine::text_prompt(*model, asked[i].first), asked[i].second);
        scheduler.submit(answer->request([&together, i, answer](const AnswerResult& result) { together[i] = result; }));
    }
    while (scheduler.step()) {
    }
    for (size_t i = 0; i < asked.size(); ++i) {
        const AnswerResult alone = answer(model, asked[i].second, asked[i].first);
        ASSERT_TRUE(together[i]);
        EXPECT_EQ(together[i]->tokens, alone.tokens) << i;
        EXPECT_EQ(together[i]->text, alone.text) << i;
        EXPECT_EQ(together[i]->finish, alone.finish) << i;
    }
    EXPECT_EQ(together[3]->finish, engine::Finish::stopped);
    EXPECT_NE(together[0]->tokens, together[1]->tokens);
    EXPECT_NE(together[1]->tokens, together[2]->tokens);
}

TEST(Answer, ItsRecordIsReplayedStopsAndSteeringIncluded) {
    const auto model = tiny_model("mixtral");
    SteeringHook steering({.mute = {{0, 1}}, .force = {{1, 2}}}, model->spec);
    const std::string stop = stop_inside(answer(model, {.generate = drawn, .steering = &steering}));
    std::vector<std::string> lines;
    const AnswerResult result = answer(
        model, {.generate = drawn,
                .stop = {stop},
                .steering = &steering,
                .on_audit = [&](const std::string& line) { lines.push_back(line); },
                .audit = {.version = "1", .model = "m", .model_hash = "h", .kernels = "k", .prompt = "the hare"}});
    ASSERT_EQ(result.finish, engine::Finish::stopped);
    AuditSetup setup = parse_setup(lines[0], "file");
    EXPECT_EQ(setup.stop, std::vector<std::string>{stop});
    EXPECT_EQ(setup.steering_hash, steering.fingerprint());
    EXPECT_EQ(setup.model_name, model->spec.name);
    const Replay again = replay(model, setup, lines);
    EXPECT_EQ(again.difference, "");
    EXPECT_EQ(again.tokens, std::ssize(result.tokens));
    setup.stop.clear();
    EXPECT_THAT(replay(model, setup, lines).difference, testing::HasSubstr("line "));
}

// As written before there were stop texts.
TEST(Answer, RecordsWithoutStopTextsSayNothingOfThem) {
    std::vector<std::string> lines;
    answer(tiny_model("olmoe"),
           {.generate = drawn, .on_audit = [&](const std::string& line) { lines.push_back(line); }});
    EXPECT_THAT(lines[0], testing::Not(testing::HasSubstr("stop")));
    EXPECT_TRUE(parse_setup(lines[0], "file").stop.empty());
}

}  // namespace
}  // namespace gremium::hooks
