// Each filter against cases computed by hand.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"

namespace gremium::engine {
namespace {

constexpr SamplerOptions everything{.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0};

// Probabilities .5 .25 .125 .0625 .0625, as logits, in another order: tokens 3, 0, 4, 1, 2.
const std::vector<float> halves{std::log(0.25f), std::log(0.0625f), std::log(0.0625f), std::log(0.5f),
                                std::log(0.125f)};

std::map<int32_t, double> frequencies(SamplerOptions options, const std::vector<float>& logits, int draws = 20000) {
    Sampler sampler(options);
    std::map<int32_t, double> result;
    for (int i = 0; i < draws; ++i) result[sampler.sample(logits)] += 1.0 / draws;
    return result;
}

std::vector<int32_t> possible(SamplerOptions options, const std::vector<float>& logits = halves) {
    std::vector<int32_t> tokens;
    for (const auto& [token, frequency] : frequencies(options, logits, 2000)) tokens.push_back(token);
    return tokens;
}

using Tokens = std::vector<int32_t>;

SamplerOptions with(auto SamplerOptions::*field, auto value) {
    SamplerOptions options = everything;
    options.*field = value;
    return options;
}

TEST(Sampler, DrawsInProportion) {
    const auto f = frequencies(everything, halves);
    EXPECT_NEAR(f.at(3), 0.5, 0.015);
    EXPECT_NEAR(f.at(0), 0.25, 0.015);
    EXPECT_NEAR(f.at(4), 0.125, 0.015);
    EXPECT_NEAR(f.at(1), 0.0625, 0.01);
    EXPECT_NEAR(f.at(2), 0.0625, 0.01);
}

TEST(Sampler, TemperatureSharpensAndFlattens) {
    // Weights p²: 64 : 16 : 4 : 1 : 1 of 86; √p in the other direction.
    EXPECT_NEAR(frequencies(with(&SamplerOptions::temperature, 0.5f), halves).at(3), 64.0 / 86, 0.015);
    const double roots = std::sqrt(0.5) + 0.5 + std::sqrt(0.125) + 0.5;
    EXPECT_NEAR(frequencies(with(&SamplerOptions::temperature, 2.0f), halves).at(3), std::sqrt(0.5) / roots, 0.015);
}

TEST(Sampler, NoneOfTheLimitsIsAllAndNoProbabilityIsTheBest) {
    EXPECT_EQ(possible(with(&SamplerOptions::top_k, -1)), possible(everything));
    EXPECT_EQ(possible(with(&SamplerOptions::top_p, 0.0f)), Tokens{3});
    Sampler sampler({.temperature = 0, .repetition_penalty = 1000, .repetition_window = -1});
    std::vector<float> logits(300);
    for (size_t i = 0; i < logits.size(); ++i) logits[i] = 1 + 0.001f * static_cast<float>(i);
    for (int32_t expected = 299; expected > 100; --expected) {
        const int32_t token = sampler.sample(logits);
        EXPECT_EQ(token, expected);
        sampler.accept(token);
    }
}

TEST(Sampler, ZeroTemperatureIsTheBestAndTheLowerOfEquals) {
    EXPECT_EQ(possible(with(&SamplerOptions::temperature, 0.0f)), Tokens{3});
    EXPECT_EQ(possible(with(&SamplerOptions::temperature, 0.0f), {1, 2, 2}), Tokens{1});
}

TEST(Sampler, TopK) {
    EXPECT_EQ(possible(with(&SamplerOptions::top_k, 1)), Tokens{3});
    EXPECT_EQ(possible(with(&SamplerOptions::top_k, 3)), (Tokens{0, 3, 4}));
    EXPECT_EQ(possible(with(&SamplerOptions::top_k, 4)), (Tokens{0, 1, 3, 4}));  // of equals the lower id
    EXPECT_EQ(possible(with(&SamplerOptions::top_k, 50)), (Tokens{0, 1, 2, 3, 4}));
}

TEST(Sampler, TopP) {
    EXPECT_EQ(possible(with(&SamplerOptions::top_p, 0.49f)), Tokens{3});
    EXPECT_EQ(possible(with(&SamplerOptions::top_p, 0.51f)), (Tokens{0, 3}));
    EXPECT_EQ(possible(with(&SamplerOptions::top_p, 0.74f)), (Tokens{0, 3}));
    EXPECT_EQ(possible(with(&SamplerOptions::top_p, 0.76f)), (Tokens{0, 3, 4}));
    EXPECT_EQ(possible(with(&SamplerOptions::top_p, 0.001f)), Tokens{3});  // never none
}

TEST(Sampler, MinP) {
    EXPECT_EQ(possible(with(&SamplerOptions::min_p, 0.51f)), Tokens{3});
    EXPECT_EQ(possible(with(&SamplerOptions::min_p, 0.49f)), (Tokens{0, 3}));
    EXPECT_EQ(possible(with(&SamplerOptions::min_p, 0.13f)), (Tokens{0, 3, 4}));
    EXPECT_EQ(possible(with(&SamplerOptions::min_p, 0.12f)), (Tokens{0, 1, 2, 3, 4}));
    EXPECT_EQ(possible(with(&SamplerOptions::min_p, 1.0f)), Tokens{3});
}

// top-k 3 leaves .5 .25 .125: top-p then counts shares of .875, so .57 is reached by the first alone.
TEST(Sampler, FiltersInOrder) {
    SamplerOptions options = everything;
    options.top_k = 3;
    options.top_p = 0.56f;
    EXPECT_EQ(possible(options), Tokens{3});
    options.top_k = 0;
    EXPECT_EQ(possible(options), (Tokens{0, 3}));
    // Temperature comes last: it does not let more tokens through min-p.
    options = everything;
    options.min_p = 0.3f;
    options.temperature = 100;
    EXPECT_EQ(possible(options), (Tokens{0, 3}));
}

TEST(Sampler, RepetitionPenalty) {
    SamplerOptions options = everything;
    options.temperature = 0;
    options.repetition_penalty = 2;
    options.repetition_window = 2;
    const std::vector<float> logits{3, 2, -1, 1.4f};
    Sampler sampler(options);
    EXPECT_EQ(sampler.sample(logits), 0);
    sampler.accept(0);
    sampler.accept(0);
    EXPECT_EQ(sampler.sample(logits), 1);  // 3 / 2, once however often it was seen
    sampler.accept(1);
    EXPECT_EQ(sampler.sample(logits), 0);  // window {0, 1}: 1.5, 1, −1, 1.4
    sampler.accept(2);
    EXPECT_EQ(sampler.sample(logits), 0);  // window {1, 2}: 3, 1, −2, 1.4
    const std::vector<float> negative{-1, -1.5f};
    Sampler other(options);
    other.accept(0);
    EXPECT_EQ(other.sample(negative), 1);  // −1 · 2
}

TEST(Sampler, SeedDecides) {
    const auto draw = [](uint64_t seed) {
        SamplerOptions options = everything;
        options.seed = seed;
        Sampler sampler(options);
        Tokens tokens;
        for (int i = 0; i < 30; ++i) tokens.push_back(sampler.sample(halves));
        return tokens;
    };
    EXPECT_EQ(draw(7), draw(7));
    EXPECT_NE(draw(7), draw(8));
}

TEST(Sampler, NumbersThatAreNone) {
    const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    EXPECT_EQ(possible(SamplerOptions{}, {nan, 1, nan}), Tokens{1});
    EXPECT_EQ(possible(SamplerOptions{}, {-infinity, -infinity}), Tokens{0});
    Sampler sampler{SamplerOptions{}};
    EXPECT_THROW(sampler.sample({}), Error);
}

TEST(Sampler, OptionsOutOfRange) {
    EXPECT_THROW(Sampler(with(&SamplerOptions::temperature, -1.0f)), Error);
    EXPECT_THROW(Sampler(with(&SamplerOptions::temperature, std::nanf(""))), Error);
    EXPECT_THROW(check(with(&SamplerOptions::temperature, std::numeric_limits<float>::infinity())), Error);
    EXPECT_THROW(check(with(&SamplerOptions::repetition_penalty, std::numeric_limits<float>::infinity())), Error);
    EXPECT_THROW(Sampler(with(&SamplerOptions::top_p, -0.1f)), Error);
    EXPECT_THROW(Sampler(with(&SamplerOptions::top_p, 1.5f)), Error);
    EXPECT_THROW(Sampler(with(&SamplerOptions::min_p, -0.1f)), Error);
    EXPECT_THROW(Sampler(with(&SamplerOptions::repetition_penalty, 0.0f)), Error);
}

}  // namespace
}  // namespace gremium::engine
