#include "bench/training.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace gremium::bench {
namespace {

TEST(TrainBench, ShapesAreNineNumbers) {
    const BenchShape shape = parse_bench_shape("64,2,4,4,2,32,100,2,16");
    EXPECT_EQ(shape.dim, 64);
    EXPECT_EQ(shape.sequence, 16);
    EXPECT_EQ(to_string(shape), "64,2,4,4,2,32,100,2,16");
    EXPECT_EQ(to_string(BenchShape{}), "256,6,8,8,2,512,4096,16,256");
    for (const char* bad : {"", "1,2", "64,2,4,4,2,32,100,2,16,1", "64,2,4,4,2,32,100,2,x", "64,2,4,4,2,32,100,2,0",
                            "63,2,4,4,2,32,100,2,16", "64,2,4,4,5,32,100,2,16"}) {
        EXPECT_THROW(run_train_bench(parse_bench_shape(bad), DType::f32, 0), Error) << bad;
    }
}

TEST(TrainBench, MeasuresBothTypes) {
    for (const DType compute : {DType::f32, DType::bf16}) {
        const TrainBench bench = run_train_bench(parse_bench_shape("64,2,4,4,2,32,100,2,16"), compute, 2, 1);
        EXPECT_GT(bench.tokens_per_second, 0);
        EXPECT_NEAR(bench.loss, std::log(100), 0.5);
        EXPECT_EQ(bench.parameters, 2 * 100 * 64 + 64 + 2 * (2 * 64 + 4 * 64 * 64 + 4 * 64 + 4 * 3 * 32 * 64));
    }
}

TEST(TrainBench, TheDenseModelHasTheActiveParameters) {
    const MixtureCost cost = run_mixture_bench(parse_bench_shape("64,2,4,4,2,32,100,2,16"), DType::f32, 3, 1);
    constexpr int64_t router = 2 * 4 * 64, idle_experts = 2 * 2 * 3 * 32 * 64;
    EXPECT_EQ(cost.dense.parameters, cost.mixture.parameters - router - idle_experts);
    EXPECT_EQ(cost.dense.flops_per_token, cost.mixture.flops_per_token - 6 * router);
    EXPECT_GT(cost.ratio, 0);
    EXPECT_NEAR(cost.dense.loss, std::log(100), 0.5);
}

}  // namespace
}  // namespace gremium::bench
