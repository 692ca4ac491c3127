// Training throughput: forward, backward and AdamW on random tokens.
#pragma once

#include <cstdint>
#include <string>

#include "train/learner.h"

namespace gremium::bench {

// A Mixtral-style decoder without key/value sharing, its head not tied, and a batch.
struct BenchShape {
    int dim = 256, layers = 6, heads = 8, experts = 8, top_k = 2, hidden = 512, vocab = 4096;
    int64_t batch = 16, sequence = 256;
};

// "256,6,8,8,2,512,4096,16,256" in the order of the fields. Throws Error.
BenchShape parse_bench_shape(const std::string& text);
std::string to_string(const BenchShape& shape);

struct TrainBench {
    double tokens_per_second = 0;  // of the median step
    train::Phases phases;          // of that step
    double loss = 0;               // of the last one
    int64_t parameters = 0;
    int64_t flops_per_token = 0;  // 6 · active matrix parameters: forward and both gradients
    double gflops = 0;            // 10⁹ of them a second, in the median step
    // Measured after the steps, of the type computed in; by run_train_bench only.
    double peak_gflops = 0;
};

// One step to warm up, then `steps` of them. micro_batch: sequences computed together (0: the whole batch).
TrainBench run_train_bench(const BenchShape& shape, DType compute, int steps = 5, int64_t micro_batch = 0);

// What mixing costs: the same shape and the dense one with as many active parameters, whose feed-forward is as wide as
// the experts of a token together. Steps of both in turn.
struct MixtureCost {
    TrainBench mixture, dense;
    double ratio = 0;  // of their tokens per second: the median over pairs of steps
};
MixtureCost run_mixture_bench(const BenchShape& shape, DType compute, int steps = 5, int64_t micro_batch = 0);

}  // namespace gremium::bench
