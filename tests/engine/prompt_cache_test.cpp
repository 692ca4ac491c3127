// Answers one after the other on one cache: what prompts have in common is evaluated once, and nothing else changes.
#include "engine/prompt_cache.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "tests/model/tiny_model.h"

namespace gremium::engine {
namespace {

using test::random_tokens;
using test::tiny_model;

constexpr GenerateOptions greedy{.max_tokens = 6, .sampler = {.temperature = 0}, .ignore_end = true};

std::vector<int32_t> followed_by(std::vector<int32_t> a, const std::vector<int32_t>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

// What a fresh cache gives.
std::vector<int32_t> alone(const std::shared_ptr<const Model>& model, const std::vector<int32_t>& prompt,
                           moe::RoutingHook* hook = nullptr) {
    PromptCache cache(model);
    return cache.answer({.tokens = prompt}, greedy, hook, nullptr).tokens;
}

class PromptCaches : public testing::TestWithParam<std::string> {};

TEST_P(PromptCaches, KeepWhatAPromptBeginsWith) {
    const auto model = tiny_model(GetParam());
    const auto first = random_tokens(300, 20);
    PromptCache cache(model);
    PromptCache::Made made = cache.answer({.tokens = first}, greedy, nullptr, nullptr);
    EXPECT_EQ(made.kept, 0u);
    EXPECT_EQ(made.finish, Finish::max_tokens);
    EXPECT_EQ(made.tokens, alone(model, first));
    // The answer became part of the next prompt; its last token has not been evaluated.
    const auto second = followed_by(followed_by(first, made.tokens), random_tokens(300, 5, 2));
    made = cache.answer({.tokens = second}, greedy, nullptr, nullptr);
    EXPECT_EQ(made.kept, 25u);
    EXPECT_EQ(made.tokens, alone(model, second));
    // The same again: one token is evaluated, for its logits. A state that has run on cannot go back.
    const size_t last = second.size() - 1;
    made = cache.answer({.tokens = second}, greedy, nullptr, nullptr);
    EXPECT_LE(made.kept, last);
    EXPECT_EQ(made.tokens, alone(model, second));
    // Another beginning.
    const auto other = random_tokens(300, 9, 3);
    made = cache.answer({.tokens = other}, greedy, nullptr, nullptr);
    EXPECT_EQ(made.kept, 0u);
    EXPECT_EQ(made.tokens, alone(model, other));
}

INSTANTIATE_TEST_SUITE_P(Architectures, PromptCaches, testing::Values("llama", "dots1", "gptoss", "jamba"),
                         [](const auto& test) { return test.param; });

TEST(PromptCache, IsStoppedByWhoListens) {
    const auto model = tiny_model("mixtral");
    const auto prompt = random_tokens(300, 8);
    PromptCache cache(model);
    int left = 3;
    const PromptCache::Made made =
        cache.answer({.tokens = prompt}, greedy, nullptr, [&](int32_t) { return --left > 0; });
    EXPECT_EQ(made.finish, Finish::stopped);
    EXPECT_EQ(made.tokens.size(), 3u);
    const auto longer = followed_by(prompt, {made.tokens[0], made.tokens[1], 7, 8});
    const PromptCache::Made next = cache.answer({.tokens = longer}, greedy, nullptr, nullptr);
    EXPECT_EQ(next.kept, 10u);
    EXPECT_EQ(next.tokens, alone(model, longer));
}

TEST(PromptCache, EndsWhereTheContextDoes) {
    const auto model = tiny_model("mixtral");
    PromptCache cache(model, {.context = 10});
    const PromptCache::Made made = cache.answer({.tokens = random_tokens(300, 8)}, greedy, nullptr, nullptr);
    EXPECT_EQ(made.finish, Finish::context_full);
    // The last token needs no place.
    EXPECT_EQ(made.tokens.size(), 3u);
}

// An answer that fails or asks for too much leaves a cache that still says what it holds.
TEST(PromptCache, IsUsableAfterAnError) {
    const auto model = tiny_model("mixtral");
    const auto prompt = random_tokens(300, 8);
    PromptCache cache(model, {.context = 20});
    EXPECT_THROW(cache.answer({.tokens = {}}, greedy, nullptr, nullptr), Error);
    EXPECT_THROW(cache.answer({.tokens = random_tokens(300, 21)}, greedy, nullptr, nullptr), Error);
    EXPECT_THROW(cache.answer({.tokens = followed_by(prompt, {300})}, greedy, nullptr, nullptr), Error);
    const auto fails = [](int32_t) -> bool { throw Error("enough"); };
    EXPECT_THROW(cache.answer({.tokens = prompt}, greedy, nullptr, fails), Error);
    const PromptCache::Made made = cache.answer({.tokens = prompt}, greedy, nullptr, nullptr);
    EXPECT_EQ(made.kept, 7u);
    EXPECT_EQ(made.tokens, alone(model, prompt));
}

TEST(PromptCache, KeepsNothingOfOtherSteering) {
    struct Mute : moe::RoutingHook {
        explicit Mute(int expert) : muted(expert) {}
        void before_selection(const moe::BeforeSelection& s) override {
            for (size_t at = 0; at < s.logits_TE.size(); at += static_cast<size_t>(s.experts))
                s.logits_TE[at + static_cast<size_t>(muted)] = -INFINITY;
        }
        std::string fingerprint() const override { return std::to_string(muted); }
        int muted;
    };
    const auto model = tiny_model("mixtral");
    const auto prompt = random_tokens(300, 30);
    PromptCache cache(model);
    Mute one(1);
    cache.answer({.tokens = prompt}, greedy, nullptr, nullptr);
    PromptCache::Made made = cache.answer({.tokens = prompt}, greedy, &one, nullptr);
    EXPECT_EQ(made.kept, 0u);
    EXPECT_EQ(made.tokens, alone(model, prompt, &one));
    // An equal hook in another place.
    Mute same(1);
    made = cache.answer({.tokens = prompt}, greedy, &same, nullptr);
    EXPECT_EQ(made.kept, prompt.size() - 1);
    EXPECT_EQ(made.tokens, alone(model, prompt, &one));
    EXPECT_EQ(cache.answer({.tokens = prompt}, greedy, nullptr, nullptr).kept, 0u);
}

}  // namespace
}  // namespace gremium::engine
