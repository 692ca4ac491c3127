#include "moe/dispatch.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace gremium::moe {
namespace {

TEST(Dispatch, SortsByExpertAndKeepsTokenOrder) {
    constexpr int tokens = 100, top_k = 3, experts = 7;
    Random random(1);
    std::vector<int32_t> ids;
    for (int i = 0; i < tokens * top_k; ++i) ids.push_back(static_cast<int32_t>(random.below(experts)) - 1);
    const DispatchPlan plan = dispatch(ids, top_k, experts);  // expert 6 is never chosen, −1 drops

    ASSERT_EQ(plan.offsets.size(), experts + 1u);
    ASSERT_EQ(plan.row_of.size(), ids.size());
    EXPECT_EQ(plan.offsets.front(), 0);
    EXPECT_EQ(plan.offsets.back(), plan.rows());
    EXPECT_EQ(plan.offsets[6], plan.offsets[7]);
    int64_t kept = 0;
    for (size_t i = 0; i < ids.size(); ++i) {
        const int32_t row = plan.row_of[i];
        if (ids[i] < 0) {
            EXPECT_EQ(row, -1);
            continue;
        }
        ++kept;
        const auto e = static_cast<size_t>(ids[i]);
        EXPECT_GE(row, plan.offsets[e]);
        EXPECT_LT(row, plan.offsets[e + 1]);
        EXPECT_EQ(plan.token[static_cast<size_t>(row)], static_cast<int32_t>(i) / top_k);
    }
    EXPECT_EQ(kept, plan.rows());
    for (size_t e = 0; e < experts; ++e) {
        const auto begin = plan.token.begin();
        EXPECT_TRUE(std::is_sorted(begin + plan.offsets[e], begin + plan.offsets[e + 1]));
    }
}

TEST(Dispatch, NothingChosen) {
    const std::vector<int32_t> ids{-1, -1};
    const DispatchPlan plan = dispatch(ids, 1, 3);
    EXPECT_EQ(plan.rows(), 0);
    EXPECT_EQ(plan.offsets, std::vector<int32_t>(4));
}

}  // namespace
}  // namespace gremium::moe
