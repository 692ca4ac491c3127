#include "train/schedule.h"

#include <gtest/gtest.h>

namespace gremium::train {
namespace {

TrainingConfig plan(ScheduleKind kind) {
    TrainingConfig config;
    config.steps = 101;
    config.warmup = 10;
    config.lr = 1;
    config.min_lr = 0.1;
    config.decay_share = 0.2;
    config.schedule = kind;
    return config;
}

TEST(Schedule, WarmUpIsLinearAndReachesThePeak) {
    for (const ScheduleKind kind : {ScheduleKind::cosine, ScheduleKind::wsd}) {
        EXPECT_DOUBLE_EQ(learning_rate(plan(kind), 0), 0.1);
        EXPECT_DOUBLE_EQ(learning_rate(plan(kind), 4), 0.5);
        EXPECT_DOUBLE_EQ(learning_rate(plan(kind), 9), 1);
        EXPECT_DOUBLE_EQ(learning_rate(plan(kind), 10), 1);
    }
}

TEST(Schedule, CosineIsHalfWayInTheMiddleAndEndsAtTheMinimum) {
    EXPECT_DOUBLE_EQ(learning_rate(plan(ScheduleKind::cosine), 55), 0.55);
    EXPECT_DOUBLE_EQ(learning_rate(plan(ScheduleKind::cosine), 100), 0.1);
}

TEST(Schedule, WsdIsFlatThenLinear) {
    const TrainingConfig config = plan(ScheduleKind::wsd);
    EXPECT_DOUBLE_EQ(learning_rate(config, 79), 1);
    EXPECT_NEAR(learning_rate(config, 100 - 10), 0.1 + 0.9 * 10 / 20.2, 1e-12);
    EXPECT_DOUBLE_EQ(learning_rate(config, 100), 0.1);
}

TEST(Schedule, VeryShortRunsStayFinite) {
    for (const ScheduleKind kind : {ScheduleKind::cosine, ScheduleKind::wsd}) {
        for (int64_t steps = 1; steps < 5; ++steps) {
            TrainingConfig config = plan(kind);
            config.steps = steps;
            for (const int64_t warmup : {0, 1, 3}) {
                config.warmup = warmup;
                for (int64_t step = 0; step < steps; ++step) {
                    const double lr = learning_rate(config, step);
                    EXPECT_TRUE(lr > 0 && lr <= 1) << steps << ' ' << warmup << ' ' << step << ": " << lr;
                }
            }
        }
    }
}

}  // namespace
}  // namespace gremium::train
