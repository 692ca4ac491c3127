#include "train/loads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace gremium::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Loads, MaxVioIsOfTheWorstLayer) {
    const Balance balance = balance_of({{0, {10, 10, 10, 10}}, {2, {30, 0, 5, 5}}});
    EXPECT_DOUBLE_EQ(balance.max_violation, 2);  // 30 / 10 − 1
    EXPECT_EQ(balance.dead, 1);
}

TEST(Loads, WindowsSumAndStartAfresh) {
    LoadWindow window;
    EXPECT_FALSE(window.add({{1, {3, 1}}}, 2));
    EXPECT_TRUE(window.add({{1, {0, 1}}}, 2));
    EXPECT_EQ(window.loads()[0].load_E, (std::vector<int64_t>{3, 2}));
    EXPECT_EQ(window.warning(), "");
    EXPECT_FALSE(window.add({{1, {5, 5}}}, 2));
    EXPECT_EQ(window.loads()[0].load_E, (std::vector<int64_t>{5, 5}));

    LoadWindow restored;
    restored.restore(window.state());
    EXPECT_TRUE(restored.add({{1, {1, 0}}}, 2));
    EXPECT_EQ(restored.loads()[0].load_E, (std::vector<int64_t>{6, 5}));
}

TEST(Loads, CollapseIsSaidAloud) {
    LoadWindow window;
    window.add({{3, {41, 2, 2, 2, 1, 1, 1, 0}}}, 1);
    EXPECT_THAT(window.warning(), AllOf(HasSubstr("3/0 (6.6×)"), HasSubstr("dead: 3/7"), Not(HasSubstr("3/1"))));
}

}  // namespace
}  // namespace gremium::train
