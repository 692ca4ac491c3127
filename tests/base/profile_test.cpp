#include "base/profile.h"

#include <gtest/gtest.h>

#include <thread>

namespace gremium {
namespace {

void pass(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

TEST(Profile, TimeGoesToTheStageItPassedIn) {
    Profile profile;
    const auto start = std::chrono::steady_clock::now();
    {
        const Profiling on(&profile);
        Timed timer("router");
        pass(0.002);
        timer.enter("experts");
        pass(0.004);
        timer.enter("router");
        pass(0.001);
    }
    const double all = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    EXPECT_GE(profile["router"], 0.003);
    EXPECT_GE(profile["experts"], 0.004);
    EXPECT_LE(profile["router"] + profile["experts"], all);
    EXPECT_EQ(profile["head"], 0);
}

TEST(Profile, OnlyTheInnermostMeasuresAndOnlyOnItsThread) {
    Profile outer, inner;
    const Profiling on(&outer);
    {
        const Profiling within(&inner);
        const Timed timer("dense");
        pass(0.001);
    }
    {
        const Profiling off(nullptr);
        const Timed timer("dense");
        pass(0.001);
    }
    std::thread([] { EXPECT_EQ(Profiling::current(), nullptr); }).join();
    EXPECT_EQ(Profiling::current(), &outer);
    EXPECT_EQ(outer["dense"], 0);
    EXPECT_GE(inner["dense"], 0.001);
}

}  // namespace
}  // namespace gremium
