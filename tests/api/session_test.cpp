#include <gremium/session.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/continuation.h"
#include "engine/session.h"
#include "hooks/steering.h"
#include "tests/api/model_files.h"

namespace gremium::api::test {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;

const GenerateOptions greedy{.max_tokens = 16, .sampler = {.temperature = 0}, .ignore_end = true};

// Counts the tokens that a layer sees.
struct Counter : RoutingHook {
    int64_t seen = 0;
    void after_selection(const AfterSelection& s) override {
        if (s.layer == 0) seen += std::ssize(s.tokens_T);
    }
};

class Sessions : public testing::Test {
  protected:
    Folder folder_;
    std::string path_ = write_model(folder_ / "m.gguf");
    Engine engine_ = Engine::open(path_);
    std::vector<int32_t> prompt_ = random_tokens(300, 20);
};

std::vector<float> copy(std::span<const float> logits) { return {logits.begin(), logits.end()}; }

// Logits of the same tokens, evaluated in other pieces: other kernels may have summed in another order.
void expect_near(std::span<const float> logits, std::span<const float> expected) {
    ASSERT_EQ(logits.size(), expected.size());
    for (size_t i = 0; i < logits.size(); ++i) EXPECT_NEAR(logits[i], expected[i], 1e-3f) << i;
}

TEST_F(Sessions, GenerateWhatTheLibraryDoes) {
    for (const Arithmetic arithmetic : {Arithmetic::running, Arithmetic::exact}) {
        GenerateOptions options{.max_tokens = 20, .sampler = {.repetition_penalty = 1.2f, .seed = 3}};
        engine::Session inside(load_model(path_),
                               {.context = 64, .compute = arithmetic == Arithmetic::exact ? DType::f32 : DType::q8_0});
        const auto expected = engine::generate(
            inside, prompt_, {.max_tokens = 20, .sampler = {.repetition_penalty = 1.2f, .seed = 3}}, {});
        Session session(engine_, {.context = 64, .arithmetic = arithmetic});
        EXPECT_EQ(session.generate(prompt_, options).tokens, expected);
        // and again, from the context that is there
        EXPECT_EQ(session.generate(prompt_, options).tokens, expected);
    }
}

TEST_F(Sessions, SyncKeepsThePrefixAndEvaluatesTheRest) {
    const auto counter = std::make_shared<Counter>();
    Session session(engine_, {.hooks = {counter}});
    session.sync(prompt_);
    EXPECT_EQ(counter->seen, 20);
    session.sync(prompt_);  // nothing is missing
    EXPECT_EQ(counter->seen, 20);
    std::vector<int32_t> other(prompt_.begin(), prompt_.begin() + 15);
    for (const int32_t token : {7, 8, 9}) other.push_back(token);
    const std::vector<float> logits = copy(session.sync(other));
    EXPECT_EQ(counter->seen, 23);
    EXPECT_THAT(session.tokens(), ElementsAreArray(other));
    expect_near(logits, Session(engine_).evaluate(other));
    // A shorter prefix has to be evaluated again for its logits, but only its last token.
    const auto shorter = std::span(other).first(10);
    expect_near(session.sync(shorter), Session(engine_).evaluate(shorter));
    EXPECT_EQ(counter->seen, 24);
    EXPECT_EQ(std::ssize(session.tokens()), 10);
}

TEST_F(Sessions, LayersWithAStateBeginAgain) {
    const Engine engine = Engine::open(write_model(folder_ / "jamba.gguf", "jamba"));
    Session session(engine);
    session.sync(prompt_);
    EXPECT_EQ(session.truncate(10), 0);
    session.sync(prompt_);
    const auto shorter = std::span(prompt_).first(10);
    EXPECT_EQ(copy(session.sync(shorter)), copy(Session(engine).evaluate(shorter)));
}

TEST_F(Sessions, EvaluateAppendsAndTruncateForgets) {
    Session session(engine_, {.context = 32});
    EXPECT_EQ(session.capacity(), 32);
    EXPECT_TRUE(session.logits().empty());
    session.evaluate(prompt_);
    const std::vector<float> logits = copy(session.evaluate(std::span(prompt_).first(3)));
    EXPECT_EQ(copy(session.logits()), logits);
    EXPECT_EQ(session.tokens().size(), 23u);
    EXPECT_EQ(session.truncate(20), 20);
    EXPECT_TRUE(session.logits().empty());
    EXPECT_EQ(copy(session.evaluate(std::span(prompt_).first(3))), logits);
}

TEST_F(Sessions, WhatIsRefusedChangesNothing) {
    Session session(engine_, {.context = 24});
    session.sync(prompt_);
    const std::vector<float> logits = copy(session.logits());
    const std::vector<int32_t> none, foreign{300}, long_one = random_tokens(300, 25);
    EXPECT_THAT(error_of([&] { session.sync(none); }), HasSubstr("prompt is empty"));
    EXPECT_THAT(error_of([&] { session.evaluate(foreign); }), HasSubstr("300"));
    EXPECT_THAT(error_of([&] { session.sync(long_one); }),
                HasSubstr("has 25 tokens, more than the context of 24 holds"));
    EXPECT_THAT(error_of([&] { session.evaluate(std::span(prompt_).first(5)); }), HasSubstr("has 25 tokens"));
    EXPECT_THAT(error_of([&] { session.truncate(21); }), HasSubstr("cannot be cut to 21"));
    EXPECT_THAT(error_of([&] { session.read_source(prompt_); }), HasSubstr("no encoder"));
    EXPECT_THAT(error_of([&] { session.generate(none); }), HasSubstr("empty"));
    SteeringProfile nonsense;
    nonsense.mute(0, 99);
    EXPECT_THAT(error_of([&] { session.steer(nonsense); }), HasSubstr("99"));
    EXPECT_THAT(session.tokens(), ElementsAreArray(prompt_));
    EXPECT_EQ(copy(session.sync(prompt_)), logits);
}

TEST_F(Sessions, OptionsOutOfRangeAreRefused) {
    EXPECT_THAT(error_of([&] { Session(engine_, {.prefill_chunk = 0}); }), HasSubstr("prefill chunk of 0"));
    EXPECT_THAT(error_of([&] { Session(engine_, {.hooks = {nullptr}}); }), HasSubstr("hook is null"));
    EXPECT_THAT(error_of([&] { Session(engine_, {.cache = CacheType{9}}); }), HasSubstr("cache type of number 9"));
    EXPECT_THAT(error_of([&] { Session(engine_, {.arithmetic = Arithmetic{7}}); }),
                HasSubstr("arithmetic of number 7"));
}

TEST_F(Sessions, TheCallbackHearsTheWholeAnswer) {
    Session session(engine_);
    std::string heard;
    std::vector<int32_t> tokens;
    const Answer answer = session.generate(prompt_, greedy, [&](std::string_view text, int32_t token) {
        heard += text;
        if (tokens.size() < 16) tokens.push_back(token);
        return true;
    });
    EXPECT_EQ(heard, answer.text);
    EXPECT_EQ(tokens, answer.tokens);
    EXPECT_EQ(answer.finish, Finish::length);
    EXPECT_EQ(session.tokens().size(), 20u + 15u);  // the last one is not evaluated
}

TEST_F(Sessions, TheCallbackCanEndTheAnswer) {
    Session session(engine_);
    int calls = 0;
    const Answer answer = session.generate(prompt_, greedy, [&](std::string_view, int32_t) { return ++calls < 5; });
    EXPECT_EQ(answer.tokens.size(), 5u);
    EXPECT_EQ(answer.finish, Finish::callback);
}

TEST_F(Sessions, WhatTheCallbackThrowsComesOut) {
    Session session(engine_);
    struct Mine {};
    EXPECT_THROW(session.generate(prompt_, greedy, [](std::string_view, int32_t) -> bool { throw Mine(); }), Mine);
    EXPECT_EQ(session.generate(prompt_, greedy).tokens, Session(engine_).generate(prompt_, greedy).tokens);
}

TEST_F(Sessions, AFullContextEndsTheAnswer) {
    Session session(engine_, {.context = 24});
    const Answer answer = session.generate(prompt_, greedy);
    EXPECT_EQ(answer.finish, Finish::context);
    EXPECT_EQ(answer.tokens.size(), 5u);  // the last needs no place
}

TEST_F(Sessions, StopTextsEndTheAnswerBeforeThem) {
    const Answer whole = Session(engine_).generate(prompt_, greedy);
    const std::vector<std::string> letters = characters(whole.text);
    ASSERT_GT(letters.size(), 8u);
    // A text that begins in the middle: whole pieces are not what counts.
    for (size_t at = 1; at + 3 <= letters.size(); ++at) {
        GenerateOptions options = greedy;
        options.stops = {"not in it", letters[at] + letters[at + 1] + letters[at + 2]};
        std::string heard;
        const Answer answer = Session(engine_).generate(prompt_, options, [&](std::string_view text, int32_t) {
            heard += text;
            return true;
        });
        EXPECT_EQ(answer.text, whole.text.substr(0, whole.text.find(options.stops[1])));
        EXPECT_EQ(heard, answer.text);
        EXPECT_EQ(answer.finish, Finish::stop);
        EXPECT_TRUE(std::ranges::equal(answer.tokens, std::span(whole.tokens).first(answer.tokens.size())));
    }
    GenerateOptions options = greedy;
    options.stops = {"\x01 comes never", whole.text + "x"};
    const Answer answer = Session(engine_).generate(prompt_, options);
    EXPECT_EQ(answer.text, whole.text);  // what was held back is told at the end
    EXPECT_EQ(answer.finish, Finish::length);
    options.stops = {""};
    EXPECT_THAT(error_of([&] { Session(engine_).generate(prompt_, options); }), HasSubstr("stop text is empty"));
}

TEST_F(Sessions, SteeringIsThatOfTheLibrary) {
    const std::string toml = "mute = [\"0.1\"]\ndrop = [\"1.2\"]\nnum_experts = 3\n[bias]\n\"2.4\" = 2.5\n";
    SteeringProfile profile;
    profile.mute(0, 1).drop(1, 2).experts_per_token(3).bias(2, 4, 2.5f);
    hooks::SteeringHook hook(hooks::parse_profile(toml, "test"), load_model(path_)->spec);
    engine::Session inside(load_model(path_), {.context = 64, .hook = &hook});
    const auto expected =
        engine::generate(inside, prompt_, {.max_tokens = 16, .sampler = {.temperature = 0}, .ignore_end = true}, {});
    const Answer plain = Session(engine_, {.context = 64}).generate(prompt_, greedy);
    EXPECT_NE(plain.tokens, expected);
    for (const SteeringProfile& steering : {profile, SteeringProfile::parse(toml)}) {
        Session session(engine_, {.context = 64, .steering = steering});
        EXPECT_EQ(session.generate(prompt_, greedy).tokens, expected);
        session.steer({});
        EXPECT_TRUE(session.tokens().empty());
        EXPECT_EQ(session.generate(prompt_, greedy).tokens, plain.tokens);
        session.steer(steering);
        EXPECT_EQ(session.generate(prompt_, greedy).tokens, expected);
    }
}

// Mutes an expert by its logit, as a user's hook does it.
struct Mute : RoutingHook {
    int layer, expert;
    Mute(int l, int e) : layer(l), expert(e) {}
    void before_selection(const BeforeSelection& s) override {
        if (s.layer != layer) return;
        for (size_t t = 0; t < s.tokens_T.size(); ++t)
            s.logits_TE[t * static_cast<size_t>(s.experts) + static_cast<size_t>(expert)] =
                -std::numeric_limits<float>::infinity();
    }
    std::string fingerprint() const override { return "mute"; }
};

TEST_F(Sessions, HooksChangeTheChoiceInTheirOrderAfterSteering) {
    SteeringProfile muted;
    muted.mute(0, 1);
    Session steered(engine_, {.steering = muted});
    const auto mute = std::make_shared<Mute>(0, 1);
    const auto counter = std::make_shared<Counter>();
    Session hooked(engine_, {.hooks = {mute, counter}});
    EXPECT_EQ(hooked.generate(prompt_, greedy).tokens, steered.generate(prompt_, greedy).tokens);
    EXPECT_GT(counter->seen, 0);

    struct Rules : RoutingHook {
        void before_selection(const BeforeSelection& s) override {
            s.top_k = 3;
            s.rules.forced.push_back(5);
            s.rules.dropped.push_back(4);
        }
        std::string fingerprint() const override { return "rules"; }
    };
    struct Look : RoutingHook {
        int64_t forced = 0, tokens = 0;
        void after_selection(const AfterSelection& s) override {
            EXPECT_EQ(s.top_k, 3);
            tokens += std::ssize(s.tokens_T);
            forced += std::ranges::count(s.ids_Tk, 5);
            EXPECT_EQ(std::ranges::count(s.ids_Tk, 4), 0);
            EXPECT_EQ(s.logits_TE.size(), s.tokens_T.size() * 6);
        }
    };
    const auto look = std::make_shared<Look>();
    Session ruled(engine_, {.hooks = {std::make_shared<Rules>(), look}});
    ruled.evaluate(prompt_);
    EXPECT_EQ(look->tokens, 60);
    EXPECT_EQ(look->forced, 60);
}

TEST_F(Sessions, AHookThatAsksForNonsenseOrThrowsIsHeard) {
    struct Bad : RoutingHook {
        bool bad = true;
        void before_selection(const BeforeSelection& s) override {
            if (bad) s.rules.forced.push_back(6);
        }
    };
    const auto bad = std::make_shared<Bad>();
    Session session(engine_, {.hooks = {bad}});
    EXPECT_THAT(error_of([&] { session.evaluate(prompt_); }), HasSubstr("no expert 6"));
    EXPECT_TRUE(session.tokens().empty());
    bad->bad = false;
    EXPECT_EQ(copy(session.evaluate(prompt_)), copy(Session(engine_).evaluate(prompt_)));
}

// Wherever a hook throws, layers that keep a state have not seen more than the others afterwards.
TEST_F(Sessions, AreRightAfterAHookHasThrown) {
    struct Throws : RoutingHook {
        int calls = 0, at = 0;
        void before_selection(const BeforeSelection&) override {
            if (++calls == at) throw std::runtime_error("enough");
        }
    };
    for (const char* architecture : {"mixtral", "jamba"}) {
        const Engine engine = Engine::open(write_model(folder_ / architecture + ".gguf", architecture));
        const std::vector<float> expected = copy(Session(engine, {.prefill_chunk = 8}).evaluate(prompt_));
        for (int at = 1; at <= 3; ++at) {
            const auto hook = std::make_shared<Throws>();
            Session session(engine, {.prefill_chunk = 8, .hooks = {hook}});
            hook->at = at;
            EXPECT_THROW(session.sync(prompt_), std::runtime_error);
            EXPECT_LT(session.tokens().size(), prompt_.size());
            EXPECT_TRUE(std::ranges::equal(session.tokens(), std::span(prompt_).first(session.tokens().size())));
            hook->at = 0;
            expect_near(session.sync(prompt_), expected);
        }
    }
}

TEST_F(Sessions, ASessionMoves) {
    Session a(engine_);
    a.sync(prompt_);
    Session b = std::move(a);
    EXPECT_THAT(b.tokens(), ElementsAreArray(prompt_));
    a = Session(engine_);
    EXPECT_TRUE(a.tokens().empty());
}

}  // namespace
}  // namespace gremium::api::test
