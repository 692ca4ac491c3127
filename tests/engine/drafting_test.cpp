#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/random.h"
#include "engine/drafting/drafter.h"
#include "engine/drafting/gate.h"
#include "engine/scheduler.h"
#include "engine/session.h"
#include "tests/model/tiny_model.h"

namespace gremium::engine {
namespace {

using test::random_tokens;
using test::tiny_model;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr SamplerOptions greedy{.temperature = 0}, drawn{.temperature = 1.5f, .top_k = 0, .top_p = 1, .seed = 7};

// Knows the answer, and is wrong now and then.
class Oracle final : public Drafter {
  public:
    Oracle(std::vector<int32_t> text, double right) : text_(std::move(text)), right_(right) {}

    std::vector<int32_t> draft(std::span<const int32_t> tokens, int most) override {
        std::vector<int32_t> result;
        for (size_t i = tokens.size(); i < text_.size() && std::ssize(result) < most; ++i)
            result.push_back(random_.uniform() < right_ ? text_[i] : (text_[i] + 1) % 300);
        return result;
    }

  private:
    std::vector<int32_t> text_;
    double right_;
    Random random_{1};
};

std::vector<int32_t> joined(std::vector<int32_t> a, std::span<const int32_t> b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

class Drafted : public testing::TestWithParam<std::string> {};

TEST_P(Drafted, TokensApartGetTheBitsOfTokensAlone) {
    const auto model = tiny_model(GetParam());
    const auto prompt = random_tokens(300, 20), tokens = random_tokens(300, 6, 5);
    Session alone(model), together(model);
    alone.evaluate(prompt);
    together.evaluate(prompt);
    const Tensor rows = together.evaluate_apart(tokens, 4);
    ASSERT_EQ(rows.rows(), 4);
    for (size_t i = 0; i < tokens.size(); ++i) {
        const std::span<const float> logits = alone.evaluate({&tokens[i], 1});
        if (i < 2) continue;
        const float* row = rows.f32() + static_cast<int64_t>(i - 2) * rows.cols();
        EXPECT_TRUE(std::ranges::equal(logits, std::span(row, logits.size()))) << i;
    }
    // And the context goes on as the other does.
    const auto more = random_tokens(300, 1, 6);
    EXPECT_TRUE(std::ranges::equal(alone.evaluate(more), together.evaluate(more)));
}

TEST_P(Drafted, ContextsGoBackToWhereDraftsBegan) {
    const auto model = tiny_model(GetParam());
    const auto prompt = random_tokens(300, 9), wrong = random_tokens(300, 4, 5), next = random_tokens(300, 1, 6);
    Session session(model), fresh(model);
    session.evaluate(prompt);
    fresh.evaluate(prompt);
    session.evaluate_apart(wrong, 1);
    EXPECT_EQ(session.reachable(9), 9);
    session.truncate(9);
    EXPECT_TRUE(std::ranges::equal(session.evaluate(next), fresh.evaluate(next)));
}

TEST_P(Drafted, AnswersAreTheSame) {
    const auto model = tiny_model(GetParam());
    const auto prompt = random_tokens(300, 12);
    for (const SamplerOptions& sampler : {greedy, drawn}) {
        const GenerateOptions options{.max_tokens = 40, .sampler = sampler, .ignore_end = true};
        Session plain(model);
        const auto answer = generate(plain, prompt, options, nullptr);
        for (const double right : {0.0, 0.6, 1.0}) {
            Oracle oracle(joined(prompt, answer), right);
            DraftGate gate(5);
            Session session(model);
            EXPECT_EQ(generate(session, prompt, options, nullptr, {&oracle, &gate}), answer) << right;
            EXPECT_EQ(session.length(), plain.length());
            EXPECT_TRUE(std::ranges::equal(session.last_logits(), plain.last_logits()));
            const auto more = random_tokens(300, 3, 8);
            Session again(model);
            again.evaluate(joined(prompt, std::span(answer).first(39)));
            EXPECT_EQ(session.evaluate(more).size(), again.evaluate(more).size());
        }
    }
}

// Requests with drafts, right and wrong, beside one without; a scheduler of its own beside each is the truth.
TEST_P(Drafted, RequestsGetWhatTheyGetAlone) {
    const auto model = tiny_model(GetParam());
    Scheduler scheduler(model, {.sequences = 3, .prefill_chunk = 16, .drafts = 4});
    std::map<size_t, std::vector<int32_t>> answers, expected;
    std::map<size_t, Finish> ends;
    for (size_t n = 0; n < 6; ++n) {
        const auto prompt = random_tokens(300, 5 + 9 * n, n);
        const GenerateOptions generate_options{
            .max_tokens = 10 + static_cast<int64_t>(n), .sampler = n % 2 ? drawn : greedy, .ignore_end = true};
        Session alone(model, {.prefill_chunk = 16});
        expected[n] = generate(alone, prompt, generate_options, nullptr);
        std::shared_ptr<Drafter> drafter;
        if (n != 2) drafter = std::make_shared<Oracle>(joined(prompt, expected[n]), 0.3 * static_cast<double>(n % 4));
        scheduler.submit({.prompt = prompt,
                          .generate = generate_options,
                          .drafter = drafter,
                          .on_token =
                              [&answers, n](int32_t token) {
                                  answers[n].push_back(token);
                                  return true;
                              },
                          .on_finish = [&ends, n](Finish how) { ends[n] = how; }});
    }
    while (scheduler.step()) {
    }
    EXPECT_EQ(answers, expected);
    for (const auto& [n, how] : ends) EXPECT_EQ(how, Finish::max_tokens) << n;
}

INSTANTIATE_TEST_SUITE_P(Architectures, Drafted, testing::ValuesIn(test::tiny_architectures()),
                         [](const auto& test) { return test.param; });

TEST(Drafting, EndsWhereThePlainAnswerEnds) {
    const auto model = tiny_model("mixtral");
    const auto prompt = random_tokens(300, 6);
    const GenerateOptions options{.max_tokens = 100, .sampler = greedy, .ignore_end = true};
    Session plain(model, {.context = 30});
    const auto answer = generate(plain, prompt, options, nullptr);
    Oracle oracle(joined(prompt, answer), 1);
    DraftGate gate(8);
    Session full(model, {.context = 30});
    EXPECT_EQ(generate(full, prompt, options, nullptr, {&oracle, &gate}), answer);
    EXPECT_GT(gate.stats().accepted, 0);
    // Whoever stops the answer hears nothing of what was drafted.
    std::vector<int32_t> heard;
    Session stopped(model);
    const auto stop = [&](int32_t token) {
        heard.push_back(token);
        return heard.size() < 9;
    };
    generate(stopped, prompt, options, stop, {&oracle, &gate});
    EXPECT_EQ(heard, std::vector(answer.begin(), answer.begin() + 9));
    EXPECT_EQ(stopped.length(), 6 + 8);
    // A token that ends the answer is not looked behind.
    GenerateOptions ends = options;
    ends.ignore_end = false;
    ends.ends = {answer[7]};
    Session ended(model);
    EXPECT_LE(generate(ended, prompt, ends, nullptr, {&oracle, &gate}).size(), 7u);
}

TEST(LookupDrafter, SaysWhatCameAfterTheSameEnd) {
    const auto drafter = make_lookup_drafter();
    EXPECT_THAT(drafter->draft(std::vector<int32_t>{1, 2, 3}, 4), IsEmpty());
    EXPECT_THAT(drafter->draft(std::vector<int32_t>{1, 2, 3, 4, 1, 2}, 3), ElementsAre(3, 4, 1));
    EXPECT_THAT(drafter->draft(std::vector<int32_t>{1, 2, 3, 4, 1, 2, 9, 1, 2}, 1), ElementsAre(9));
    // The longer end decides, though a shorter one was met later.
    const auto other = make_lookup_drafter();
    EXPECT_THAT(other->draft(std::vector<int32_t>{7, 1, 2, 5, 8, 1, 2, 6, 7, 1, 2}, 1), ElementsAre(5));
    EXPECT_THAT(make_lookup_drafter()->draft(std::vector<int32_t>{}, 3), IsEmpty());
}

// A model that is always sure of what it says drafts what it would say itself.
TEST(ModelDrafter, DraftsWhatItsModelIsSureOf) {
    const ModelSpec spec = test::tiny_spec("mixtral");
    const auto tensors = test::tiny_tensors(spec);
    const Tensor head = tensors->at("output.weight").get();
    for (float& w : std::span(head.f32(), static_cast<size_t>(head.count()))) w *= 1000;
    const auto sure = tiny_model(spec, tensors), unsure = tiny_model("mixtral");
    const auto prompt = random_tokens(300, 8);
    const GenerateOptions options{.max_tokens = 24, .sampler = greedy, .ignore_end = true};
    Session plain(sure), drafted(sure);
    const auto answer = generate(plain, prompt, options, nullptr);
    const auto drafter = make_model_drafter(sure, *sure, {});
    EXPECT_EQ(drafter->draft(prompt, 5), std::vector(answer.begin(), answer.begin() + 5));
    // The text went another way: it follows.
    const auto other = joined(prompt, std::vector<int32_t>{17, 4});
    Session there(sure);
    EXPECT_EQ(drafter->draft(other, 3),
              generate(there, other, {.max_tokens = 3, .sampler = greedy, .ignore_end = true}, nullptr));
    DraftGate gate(6);
    EXPECT_EQ(generate(drafted, prompt, options, nullptr, {drafter.get(), &gate}), answer);
    EXPECT_EQ(gate.stats().accepted, gate.stats().drafted);
    EXPECT_THAT(make_model_drafter(unsure, *sure, {})->draft(prompt, 5), IsEmpty());
    // No room for a draft behind a text that fills its context.
    EXPECT_THAT(make_model_drafter(sure, *sure, {.context = 8})->draft(prompt, 5), IsEmpty());
}

TEST(ModelDrafter, NeedsTheSameVocabulary) {
    const auto model = tiny_model("mixtral"), larger = tiny_model("mixtral", {.vocab = 301});
    EXPECT_THROW(make_model_drafter(larger, *model, {}), Error);
}

// Steps of a machine of which all is known. Returns seconds a token, as shares of a plain step's.
double simulated(double right, double row, int64_t tokens) {
    DraftGate gate(8);
    Random random(3);
    double seconds = 0;
    int64_t made = 0;
    while (made < tokens) {
        const int k = gate.wanted(1);
        int64_t accepted = 0;
        while (accepted < k && random.uniform() < right) ++accepted;
        DraftGate::Outcome step{.rows = 1 + k, .drafted = k, .accepted = accepted, .seconds = 0.01 * (1 + k * row)};
        gate.happened(step);
        seconds += step.seconds;
        made += 1 + accepted;
    }
    return seconds / static_cast<double>(made) / 0.01;
}

TEST(DraftGate, WinsWhereDraftsPayAndLosesNothingWhereTheyDoNot) {
    EXPECT_LT(simulated(0.85, 0.2, 400), 1 / 1.6);
    EXPECT_LT(simulated(0.7, 0.2, 400), 1 / 1.25);
    EXPECT_LT(simulated(0.99, 0.1, 400), 1 / 3.0);
    for (const double right : {0.0, 0.05, 0.2, 0.5})
        for (const double row : {0.3, 0.7, 1.0, 2.0})
            EXPECT_LT(simulated(right, row, 300), 1.02) << right << " " << row;
}

TEST(DraftGate, TriesAgainWhenTheTextHasChanged) {
    DraftGate gate(8);
    const auto run = [&](double right, int steps) {
        int64_t drafted = 0;
        Random random(4);
        for (int i = 0; i < steps; ++i) {
            const int k = gate.wanted(1);
            int64_t accepted = 0;
            while (accepted < k && random.uniform() < right) ++accepted;
            gate.happened({.rows = 1 + k, .drafted = k, .accepted = accepted, .seconds = 0.01 * (1 + k * 0.3)});
            drafted += k;
        }
        return drafted;
    };
    run(0, 300);
    run(0.9, 400);
    EXPECT_GT(run(0.9, 100), 200);
}

}  // namespace
}  // namespace gremium::engine
