#include "engine/session.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "engine/continuation.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"

namespace gremium::engine {
namespace {

using test::random_tokens;
using test::tiny_model;
using test::tiny_spec;
using test::tiny_tensors;

constexpr SamplerOptions greedy{.temperature = 0};

TEST(Session, ContextIsTheModelsUnlessSaid) {
    const auto model = tiny_model("qwen3moe", {.context = 50});
    EXPECT_EQ(Session(model).capacity(), 50);
    EXPECT_EQ(Session(model, {.context = 9}).capacity(), 9);
}

TEST(Session, RefusesWhatDoesNotFitAndStaysAsItWas) {
    Session session(tiny_model("llama"), {.context = 10, .prefill_chunk = 4});
    session.evaluate(random_tokens(300, 8));
    EXPECT_THROW(session.evaluate(random_tokens(300, 3)), Error);
    EXPECT_EQ(session.length(), 8);
    EXPECT_THROW(session.evaluate({}), Error);
    EXPECT_THROW(session.evaluate(std::vector<int32_t>{300}), Error);
    EXPECT_THROW(session.truncate(9), Error);
    session.evaluate(random_tokens(300, 2));
    EXPECT_EQ(session.length(), 10);
}

TEST(Session, RefusesOptionsThatMakeNoSense) {
    const auto model = tiny_model("llama");
    EXPECT_THROW(Session(model, {.prefill_chunk = 0}), Error);
    EXPECT_THROW(Session(model, {.cache = DType::q8_0}), Error);  // heads of 8 numbers
    EXPECT_THROW(Session(model, {.cache = DType::q4_0}), Error);
}

// Against a cache that rounds nothing: log-probabilities may be off by what a key's and value's bits allow.
TEST(Session, CachesRoundAsTheirTypes) {
    const auto model = tiny_model("qwen3moe", {.head_dim = 32});
    const auto tokens = random_tokens(300, 40);
    const auto logits = [&](DType cache) {
        Session session(model, {.prefill_chunk = 16, .cache = cache});
        session.evaluate(std::span(tokens).first(37));
        for (size_t i = 37; i < 40; ++i) session.evaluate(std::span(&tokens[i], 1));
        return std::vector<float>(session.last_logits().begin(), session.last_logits().end());
    };
    const std::vector<float> exact = logits(DType::f32);
    const auto largest_difference = [&](DType cache) {
        const std::vector<float> rounded = logits(cache);
        double most = 0;
        for (size_t i = 0; i < exact.size(); ++i) most = std::max<double>(most, std::abs(exact[i] - rounded[i]));
        return most;
    };
    for (const auto& [cache, tolerance] : {std::pair{DType::f16, 2e-3}, {DType::bf16, 2e-2}, {DType::q8_0, 1e-1}}) {
        const double difference = largest_difference(cache);
        EXPECT_GT(difference, 0) << info(cache).name;
        EXPECT_LT(difference, tolerance) << info(cache).name;
    }
}

TEST(KvCacheSize, IsWhatTheHeadsNeed) {
    // 3 layers, 2 heads of 8 keys and 8 values.
    EXPECT_EQ(KvCache::bytes(tiny_spec("llama"), 100, DType::f32), 100 * 3 * 2 * (8 + 8) * 4);
    EXPECT_EQ(KvCache::bytes(tiny_spec("llama"), 100, DType::f16), 100 * 3 * 2 * (8 + 8) * 2);
    EXPECT_EQ(KvCache::bytes(tiny_spec("llama", {.head_dim = 64}), 100, DType::q8_0),
              100 * 3 * 2 * (64 + 64) / 32 * 34);
}

TEST(Generate, GreedyFollowsTheBestToken) {
    const auto model = tiny_model("dots1");
    const auto prompt = random_tokens(300, 5);
    Session session(model);
    std::vector<int32_t> heard;
    const auto made =
        generate(session, prompt, {.max_tokens = 12, .sampler = greedy, .ignore_end = true}, [&](int32_t t) {
            heard.push_back(t);
            return true;
        });
    EXPECT_EQ(made, heard);
    ASSERT_EQ(made.size(), 12u);

    std::vector<int32_t> all = prompt;
    all.insert(all.end(), made.begin(), made.end());
    const auto rows = all_logprobs(model, all);
    for (size_t i = 0; i < made.size(); ++i) {
        const auto& row = rows[prompt.size() + i - 1];
        EXPECT_EQ(std::ranges::max_element(row) - row.begin(), made[i]);
    }
}

TEST(Generate, StopsWhenAskedOrFull) {
    const auto model = tiny_model("llama");
    const auto prompt = random_tokens(300, 5);
    const GenerateOptions options{.max_tokens = 100, .sampler = greedy, .ignore_end = true};
    Session asked(model);
    int left = 3;
    EXPECT_EQ(generate(asked, prompt, options, [&](int32_t) { return --left > 0; }).size(), 3u);
    Session full(model, {.context = 9});
    EXPECT_EQ(generate(full, prompt, options, nullptr).size(), 5u);  // the last needs no place
}

// A model whose head prefers </s>.
TEST(Generate, StopsAtTheEndOfGeneration) {
    const ModelSpec spec = tiny_spec("llama");
    const auto tensors = tiny_tensors(spec);
    float* head = tensors->at("output.weight").get().f32();
    std::fill_n(head, tensors->at("output.weight").get().count(), 0.0f);
    const auto model = tiny_model(spec, tensors);
    const auto prompt = random_tokens(300, 5);
    // Row 2 along the hidden vector after the prompt: token 2 has a positive logit there, all others 0.
    Arena arena;
    ops::Graph g(arena, {});
    const std::vector<int32_t> positions{0, 1, 2, 3, 4};
    const Forward out = forward(g, *model, {.tokens = prompt, .positions = positions, .sequences = {}});
    std::copy_n(reinterpret_cast<const float*>(out.hidden_TD->value.row(4)), spec.dim, head + 2 * spec.dim);

    const GenerateOptions options{.max_tokens = 4, .sampler = greedy};
    Session stops(model), goes_on(model);
    EXPECT_TRUE(generate(stops, prompt, options, nullptr).empty());
    GenerateOptions ignoring = options;
    ignoring.ignore_end = true;
    EXPECT_EQ(generate(goes_on, prompt, ignoring, nullptr).front(), 2);
}

TEST(Generate, RefusesEmptyAndTooLongPrompts) {
    const auto model = tiny_model("llama");
    Session session(model, {.context = 4});
    EXPECT_THROW(generate(session, {}, {}, nullptr), Error);
    EXPECT_THROW(generate(session, random_tokens(300, 5), {}, nullptr), Error);
}

TEST(Generate, SeedDecides) {
    const auto model = tiny_model("mixtral");
    const auto prompt = random_tokens(300, 5);
    const auto run = [&](uint64_t seed) {
        Session session(model);
        return generate(session, prompt,
                        {.max_tokens = 20, .sampler = {.temperature = 1.5f, .seed = seed}, .ignore_end = true},
                        nullptr);
    };
    EXPECT_EQ(run(1), run(1));
    EXPECT_NE(run(1), run(2));
}

}  // namespace
}  // namespace gremium::engine
