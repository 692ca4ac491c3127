#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>
#include <vector>

#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"

namespace gremium {
namespace {

TEST(Error, IsOneLineWhateverItQuotes) {
    try {
        fail("{}: is no {}", "a\nb", std::string("\0\x7f\tä", 5));
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "a\\nb: is no \\x00\\x7f\\x09ä");
    }
    std::string long_name;
    for (int i = 0; i < 5000; ++i) long_name += "ä";
    const std::string line = in_one_line(long_name);
    EXPECT_LT(line.size(), 2100u);
    EXPECT_TRUE(line.ends_with("ä…"));
}

TEST(Random, DependsOnSeedStreamAndPositionAlone) {
    Random a(1, 2), b(1, 2), other_stream(1, 3), other_seed(2, 2);
    const uint64_t first = a.bits();
    EXPECT_EQ(first, b.bits());
    EXPECT_NE(first, other_stream.bits());
    EXPECT_NE(first, other_seed.bits());
    const uint64_t position = a.position();
    const uint64_t second = a.bits();
    a.bits();
    a.seek(position);
    EXPECT_EQ(a.bits(), second);
}

TEST(Random, UniformAndNormalHaveTheirMoments) {
    Random random(7);
    constexpr int n = 200'000;
    double mean = 0, square = 0, uniform = 0;
    std::array<int, 5> counts{};
    for (int i = 0; i < n; ++i) {
        const double x = random.normal(), u = random.uniform();
        ASSERT_TRUE(u >= 0 && u < 1);
        mean += x / n;
        square += x * x / n;
        uniform += u / n;
        ++counts[random.below(5)];
    }
    EXPECT_NEAR(mean, 0, 5 / std::sqrt(n));
    EXPECT_NEAR(square, 1, 5 * std::sqrt(2.0 / n));
    EXPECT_NEAR(uniform, 0.5, 5 / std::sqrt(12.0 * n));
    for (const int count : counts) EXPECT_NEAR(count, n / 5, 5 * std::sqrt(n * 0.16));
}

TEST(Hash, IsXxh3) {
    // XXH3-128 of the empty input, from the xxHash specification's test vectors.
    EXPECT_EQ(content_hash({}), "99aa06d3014798d86001c324468d497f");
    const std::array<std::byte, 1> one{std::byte{1}};
    EXPECT_NE(content_hash(one), content_hash({}));
}

TEST(Memory, IsPlausible) {
    const int64_t physical = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
    EXPECT_GT(available_memory(), 0);
    EXPECT_LE(available_memory(), physical);
}

TEST(Memory, ResidentCountsPagesThatWereWritten) {
    constexpr int64_t size = int64_t{32} << 20;
    const int64_t before = resident_memory().anonymous;
    const std::vector<char> written(size, 1);
    EXPECT_GE(resident_memory().anonymous - before, size / 10 * 9);
    EXPECT_GT(resident_memory().file, 0);
}

}  // namespace
}  // namespace gremium
