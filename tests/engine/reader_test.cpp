#include "engine/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "base/error.h"
#include "engine/arithmetic.h"
#include "engine/session.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"

namespace gremium::engine {
namespace {

using test::random_tokens;
using test::tiny_architectures;
using test::tiny_model;
using testing::ElementsAre;

using Rows = std::vector<std::vector<float>>;

std::vector<int32_t> followers(Window window) {
    std::vector<int32_t> targets(window.begin() + 1, window.end());
    targets.push_back(-1);
    return targets;
}

// Logits of every token.
Rows read_logits(const Model& model, std::span<const Window> windows, const ReaderOptions& options) {
    Arena arena;
    Reader reader(arena, model, options);
    Rows rows;
    reader.read(windows, [&](Passage& p) {
        p.each_logits([&](int64_t, std::span<const float> logits) { rows.emplace_back(logits.begin(), logits.end()); });
    });
    return rows;
}

class Readers : public testing::TestWithParam<std::string> {};

// The three ways: side by side, in chunks through a cache, and as a session does.
TEST_P(Readers, WindowsSideBySideAndInChunksAreWhatASessionSees) {
    const auto model = tiny_model(GetParam());
    const auto text = random_tokens(model->spec.vocab, 120);
    std::vector<Window> windows;
    for (size_t w = 0; w < 3; ++w) windows.push_back(Window(text).subspan(w * 40, 40));
    if (model->encoder) {
        EXPECT_THROW(read_logits(*model, windows, {}), Error);
        return;
    }
    Rows expected;
    Session session(model, {.context = 40, .compute = DType::f32});
    for (const Window& w : windows) {
        session.truncate(0);
        session.evaluate_all(w, [&](int64_t, std::span<const float> l) { expected.emplace_back(l.begin(), l.end()); });
    }
    const Rows together = read_logits(*model, windows, {.batch = 2}),
               chunks = read_logits(*model, windows, {.context = 40, .chunk = 7});
    ASSERT_EQ(together.size(), expected.size());
    ASSERT_EQ(chunks.size(), expected.size());
    for (size_t t = 0; t < expected.size(); ++t)
        for (size_t v = 0; v < expected[t].size(); ++v) {
            ASSERT_NEAR(together[t][v], expected[t][v], 3e-4) << t;
            ASSERT_NEAR(chunks[t][v], expected[t][v], 3e-4) << t;
        }
}

INSTANTIATE_TEST_SUITE_P(Families, Readers, testing::ValuesIn(tiny_architectures()),
                         [](const auto& family) { return family.param; });

TEST(Reader, PassagesAreWindowsOfOneLengthOrChunksOfOne) {
    const auto model = tiny_model("mixtral");
    const auto text = random_tokens(model->spec.vocab, 30);
    const std::vector<Window> windows{Window(text).first(5), Window(text).subspan(5, 5), Window(text).subspan(10, 5),
                                      Window(text).subspan(15, 8), Window(text).subspan(23, 5)};
    const auto passages = [&](const ReaderOptions& options) {
        Arena arena;
        Reader reader(arena, *model, options);
        std::vector<std::array<int64_t, 4>> seen;
        reader.read(windows, [&](Passage& p) {
            EXPECT_EQ(p.hidden_TD().rows(), std::ssize(p.tokens()));
            EXPECT_EQ(p.tokens().front(), windows[p.window()][static_cast<size_t>(p.position())]);
            seen.push_back({static_cast<int64_t>(p.window()), static_cast<int64_t>(p.windows()), p.position(),
                            std::ssize(p.tokens())});
        });
        return seen;
    };
    using P = std::array<int64_t, 4>;
    EXPECT_THAT(passages({.batch = 2}), ElementsAre(P{0, 2, 0, 10}, P{2, 1, 0, 5}, P{3, 1, 0, 8}, P{4, 1, 0, 5}));
    EXPECT_THAT(passages({.batch = 9}), ElementsAre(P{0, 3, 0, 15}, P{3, 1, 0, 8}, P{4, 1, 0, 5}));
    EXPECT_THAT(passages({.context = 8, .chunk = 5}),
                ElementsAre(P{0, 1, 0, 5}, P{1, 1, 0, 5}, P{2, 1, 0, 5}, P{3, 1, 0, 5}, P{3, 1, 5, 3}, P{4, 1, 0, 5}));
}

TEST(Reader, LossesAndLogitsOfAllRowsAreThoseOfTheBlocks) {
    const auto model = tiny_model("qwen3moe");
    const auto text = random_tokens(model->spec.vocab, 90);  // more than a block
    const Window window = text;
    Arena arena;
    Reader reader(arena, *model);
    reader.read(std::span(&window, 1), [&](Passage& p) {
        const std::vector<int32_t> targets = followers(window);
        const std::vector<float> losses = p.losses(targets);
        const Tensor all_TV = p.logits_TV();
        int64_t rows = 0;
        p.each_logits([&](int64_t t, std::span<const float> logits) {
            EXPECT_EQ(t, rows++);
            for (size_t v = 0; v < logits.size(); ++v)
                ASSERT_NEAR(logits[v], all_TV.f32()[t * all_TV.cols() + static_cast<int64_t>(v)], 1e-5);
            const int32_t target = targets[static_cast<size_t>(t)];
            const double expected = target < 0 ? 0 : -log_softmax(logits)[static_cast<size_t>(target)];
            EXPECT_NEAR(losses[static_cast<size_t>(t)], expected, 1e-5);
        });
        EXPECT_EQ(rows, 90);
    });
}

TEST(Reader, RefusesWhatItCannotRead) {
    const auto model = tiny_model("llama");
    const auto text = random_tokens(model->spec.vocab, 9);
    const std::vector<int32_t> stray{1, 100000};
    const auto read = [&](Window window, const ReaderOptions& options) {
        Arena arena;
        Reader(arena, *model, options).read(std::span(&window, 1));
    };
    EXPECT_NO_THROW(read(text, {.context = 9}));
    EXPECT_THROW(read(text, {.context = 8}), Error);
    EXPECT_THROW(read(text, {.context = 9, .chunk = 0}), Error);
    EXPECT_THROW(read({}, {}), Error);
    EXPECT_THROW(read(stray, {}), Error);
    const auto endless = tiny_model("llama", {.heads = 8, .kv_heads = 8, .head_dim = 128});
    Arena arena;
    EXPECT_THROW(Reader(arena, *endless, {.context = std::numeric_limits<int>::max()}), Error);
}

// In exact arithmetic a model of quantised weights is the model of the numbers that these stand for.
TEST(Reader, ExactArithmeticRoundsNothingAndRunningArithmeticRoundsRows) {
    const test::TinyShape shape{.dim = 64, .hidden = 64, .expert_hidden = 32, .shared_hidden = 32};
    const auto random = tiny_model("olmoe", shape);
    const std::filesystem::path folder = std::filesystem::temp_directory_path();
    const auto stored = [&](const std::string& name, const Model& model, DType type) {
        const std::filesystem::path path = folder / fmt::format("gremium-reader-{}-{}.gguf", name, getpid());
        save_model(model, path, {.dtype = type});
        const auto opened = load_model(path);
        std::filesystem::remove(path);
        return opened;
    };
    const auto quantised = stored("q8_0", *random, DType::q8_0), unpacked = stored("f32", *quantised, DType::f32);
    ASSERT_EQ(quantised->experts->peek({0, 0}).up.value.dtype, DType::q8_0);
    ASSERT_EQ(unpacked->experts->peek({0, 0}).up.value.dtype, DType::f32);
    const auto text = random_tokens(random->spec.vocab, 40);
    const Window window = text;
    const auto read = [&](const Model& model, Arithmetic arithmetic) {
        return read_logits(model, std::span(&window, 1), {.compute = compute_of(arithmetic)});
    };
    const auto furthest = [](const Rows& a, const Rows& b) {
        float most = 0;
        for (size_t t = 0; t < a.size(); ++t)
            for (size_t v = 0; v < a[t].size(); ++v) most = std::max(most, std::abs(a[t][v] - b[t][v]));
        return most;
    };
    const Rows expected = read(*unpacked, Arithmetic::exact);
    EXPECT_LT(furthest(read(*quantised, Arithmetic::exact), expected), 2e-4);
    EXPECT_GT(furthest(read(*quantised, Arithmetic::running), expected), 2e-4);
    // Nothing is quantised there that rows could be rounded for.
    EXPECT_LT(furthest(read(*unpacked, Arithmetic::running), expected), 2e-4);
}

TEST(Arithmetic, HasTheNamesOfTheCommandLine) {
    EXPECT_EQ(arithmetic_named("exact"), Arithmetic::exact);
    EXPECT_EQ(arithmetic_named(name_of(Arithmetic::running)), Arithmetic::running);
    EXPECT_EQ(arithmetic_named("fast"), std::nullopt);
}

TEST(Reader, WindowsAreAsLongAsTheContextUnlessThatIsVeryLong) {
    const auto small = tiny_model("llama"), large = tiny_model("llama", {.context = 1 << 20});
    EXPECT_EQ(window_length(*small, 0), 128);
    EXPECT_EQ(window_length(*small, 100), 100);
    EXPECT_THROW(window_length(*small, 129), Error);
    EXPECT_EQ(window_length(*large, 0), longest_window);
    EXPECT_EQ(window_length(*large, 10000), 10000);
    EXPECT_EQ(windows_at_once(128) * 128, tokens_at_once);
    EXPECT_EQ(windows_at_once(10000), 1);
}

}  // namespace
}  // namespace gremium::engine
