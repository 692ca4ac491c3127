#include "engine/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "engine/session.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"

namespace gremium::engine {
namespace {

using test::random_tokens;
using test::tiny_model;

// −ln p(tokens[at + 1]) after tokens [begin, at], by a session.
double surprise(const std::shared_ptr<const Model>& model, std::span<const int32_t> tokens, size_t begin, size_t at) {
    Session session(model);
    const auto logits = session.evaluate(tokens.subspan(begin, at + 1 - begin));
    double sum = 0;
    for (const float x : logits) sum += std::exp(static_cast<double>(x));
    return std::log(sum) - static_cast<double>(logits[static_cast<size_t>(tokens[at + 1])]);
}

TEST(Evaluate, PredictsEveryTokenOnceFromItsWindow) {
    const auto model = tiny_model("qwen3moe");
    const auto tokens = random_tokens(300, 30);
    struct Case {
        int64_t window, stride, batch;
    };
    for (const Case& c : {Case{8, 0, 3}, Case{8, 3, 2}, Case{8, 1, 4}, Case{29, 0, 8}, Case{64, 32, 8}}) {
        const auto step = static_cast<size_t>(c.stride ? c.stride : c.window);
        double expected = 0;
        for (size_t at = 0; at + 1 < tokens.size(); ++at) {
            size_t begin = 0;  // the first window that reaches this far
            while (begin + static_cast<size_t>(c.window) <= at) begin += step;
            expected += surprise(model, tokens, begin, at);
        }
        const Evaluation e = evaluate(*model, tokens, {.window = c.window, .stride = c.stride, .batch = c.batch});
        EXPECT_EQ(e.tokens, 29);
        EXPECT_NEAR(e.nats, expected, 1e-3) << "window " << c.window << " stride " << c.stride;
    }
}

TEST(Evaluate, RefusesWhatItCannotPredict) {
    const auto model = tiny_model("llama");
    EXPECT_THROW(evaluate(*model, random_tokens(300, 1)), Error);
    EXPECT_THROW(evaluate(*model, random_tokens(300, 9), {.window = 4, .stride = 5}), Error);
}

TEST(Evaluate, BitsPerByteCountsBits) {
    EXPECT_DOUBLE_EQ((Evaluation{.nats = 8 * std::log(2.0), .tokens = 3}.bits_per_byte(4)), 2);
}

}  // namespace
}  // namespace gremium::engine
