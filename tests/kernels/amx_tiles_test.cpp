// The emulated tile instructions: by hand against Intel's manual, and against the processor where it has them. What is
// computed with them: tests/kernels_amx.
#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "kernels/matmul/leaf_amx.h"
#include "tests/kernels/emulated_tiles.h"

namespace gremium::kernels::amx {
namespace {

// Registers 0: sums [m, n], 1: A [m, 2·pairs], 2: B [pairs, 2·n].
struct Shape {
    int m, n, pairs;
};
Config config_for(Shape s) {
    Config config;
    const int rows[] = {s.m, s.m, s.pairs}, bytes[] = {4 * s.n, 4 * s.pairs, 4 * s.n};
    for (int t = 0; t < 3; ++t) {
        config.rows[t] = static_cast<uint8_t>(rows[t]);
        config.bytes_per_row[t] = static_cast<uint16_t>(bytes[t]);
    }
    return config;
}

// c + a · b.
template <typename T>
std::vector<float> dot(Shape s, std::vector<float> c, const std::vector<float>& a, const std::vector<float>& b) {
    std::vector<uint16_t> left, right;
    for (const float v : a) left.push_back(f32_to_bf16(v));
    for (const float v : b) right.push_back(f32_to_bf16(v));
    T::configure(config_for(s));
    T::template load<0>(c.data(), 4 * s.n);
    T::template load<1>(left.data(), 4 * s.pairs);
    T::template load<2>(right.data(), 4 * s.n);
    T::template dot<0, 1, 2>();
    T::template store<0>(c.data(), 4 * s.n);
    T::release();
    return c;
}

using Floats = std::vector<float>;
constexpr Shape one{1, 1, 1}, two_steps{1, 1, 2};

TEST(AmxTiles, SumsEvenAndOddNumbersApartAndThenAddsToWhatWasThere) {
    // 1 + 2⁻²⁴ rounds to 1, but the two products together are enough to be seen.
    EXPECT_EQ(dot<EmulatedTiles>(one, {1}, {0x1p-12f, 0x1p-12f}, {0x1p-12f, 0x1p-12f}), Floats{1 + 0x1p-23f});
    // Even: 1 + 2⁻²⁴ = 1, then 2⁻²⁴ with the odd 2⁻²⁴ would be seen, were they not apart.
    EXPECT_EQ(dot<EmulatedTiles>(two_steps, {0}, {1, 0, 0x1p-12f, 0x1p-12f}, {1, 0, 0x1p-12f, 0x1p-12f}), Floats{1});
}

TEST(AmxTiles, TakesWhatIsNotNormalForZero) {
    EXPECT_EQ(dot<EmulatedTiles>(one, {0}, {0x1p-65f, 0}, {0x1p-65f, 0}), Floats{0});
    EXPECT_EQ(dot<EmulatedTiles>(one, {0}, {0x1p-130f, 0}, {0x1p100f, 0}), Floats{0});
    EXPECT_EQ(dot<EmulatedTiles>(one, {0x1p-130f}, {0, 0}, {0, 0}), Floats{0});
    // A product is not rounded before it is added.
    EXPECT_EQ(dot<EmulatedTiles>(two_steps, {0}, {0x1p-63f, 0, 0x1p-65f, 0}, {0x1p-63f, 0, 0x1p-65f, 0}),
              Floats{0x1.1p-126f});
}

// Small integers, whose sums are exact in any order, in shapes that tell rows from columns.
template <typename T>
void expect_products() {
    Random random(3);
    for (const Shape s : {Shape{16, 16, 16}, Shape{5, 9, 7}, Shape{1, 16, 3}, Shape{16, 1, 1}}) {
        const auto integers = [&](int count) {
            Floats out(static_cast<size_t>(count));
            for (float& v : out) v = static_cast<float>(random.below(31)) - 15;
            return out;
        };
        const Floats c = integers(s.m * s.n), a = integers(2 * s.m * s.pairs), b = integers(2 * s.pairs * s.n);
        Floats want = c;
        for (int i = 0; i < s.m * s.n; ++i) {
            for (int k = 0; k < 2 * s.pairs; ++k)
                want[i] += a[i / s.n * 2 * s.pairs + k] * b[(k / 2 * s.n + i % s.n) * 2 + k % 2];
        }
        EXPECT_EQ(dot<T>(s, c, a, b), want);
    }
}

TEST(AmxTiles, MultiplyPairs) { expect_products<EmulatedTiles>(); }

TEST(AmxTiles, OfTheProcessorDoTheSame) {
    if (!amx_bf16_leaf()) GTEST_SKIP() << "this processor has no AMX";
#if defined(__x86_64__)
    expect_products<Tiles>();
    EXPECT_EQ(dot<Tiles>(one, {0}, {0x1p-65f, 0}, {0x1p-65f, 0}), Floats{0});
#endif
}

TEST(AmxTiles, RefuseWhatTheProcessorWouldRefuse) {
    const auto with = [](auto&& change) {
        Config config;
        change(config);
        return config;
    };
    for (const Config& config :
         {with([](Config& c) { c.palette = 2; }), with([](Config& c) { c.start_row = 1; }),
          with([](Config& c) { c.reserved[3] = 1; }), with([](Config& c) { c.rows[7] = 17; }),
          with([](Config& c) { c.bytes_per_row[0] = 128; }), with([](Config& c) { c.rows[2] = 0; }),
          with([](Config& c) { c.rows[8] = 1, c.bytes_per_row[8] = 4; })})
        EXPECT_THROW(EmulatedTiles::configure(config), Error);
    EmulatedTiles::release();
    float number = 0;
    EXPECT_THROW(EmulatedTiles::zero<0>(), Error);
    EXPECT_THROW((EmulatedTiles::load<1>(&number, 4)), Error);
    EXPECT_THROW((EmulatedTiles::dot<0, 1, 2>()), Error);
    EmulatedTiles::configure(config_for({5, 9, 7}));
    EmulatedTiles::dot<0, 1, 2>();
    EXPECT_THROW((EmulatedTiles::dot<0, 2, 1>()), Error);
    EXPECT_THROW((EmulatedTiles::dot<0, 1, 1>()), Error);
    EmulatedTiles::release();
}

}  // namespace
}  // namespace gremium::kernels::amx
