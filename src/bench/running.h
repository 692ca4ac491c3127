// Speed of running a model: prompts and single tokens, each beside what the machine can do at most.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/limits.h"
#include "engine/arithmetic.h"
#include "model/model.h"

namespace gremium::bench {

struct RunningBench {
    int64_t prompt = 512, predict = 64;  // tokens; predict 0: prompts only
    int repeats = 5;
    DType cache = DType::f32;  // of keys and values
    engine::Arithmetic arithmetic = engine::Arithmetic::running;
    bool profile = false;  // fills PhaseSpeed::milliseconds
};

// Of repeated runs, with the limit measured after each of them: others may use the same memory. All are medians.
struct PhaseSpeed {
    int64_t tokens = 0;  // of a run
    double tokens_per_second = 0;
    double work = 0;              // of a token: 10⁹ of what the limit counts
    double limit = 0, share = 0;  // 10⁹ a second; the share of it that was reached
    // Of a token, by stage; "rest" is norms, residuals, the embedding and what lies between stages, "waiting" is for
    // other threads within the stages.
    std::vector<std::pair<std::string, double>> milliseconds = {};
};

struct RunningSpeed {
    PhaseSpeed prefill, decode;  // beside arithmetic of the type `compute`; beside reading memory
    DType compute = DType::f32;
};

RunningSpeed run_running_bench(const std::shared_ptr<const Model>& model, const RunningBench& options);

struct Limits {
    double read_gbs, f32_gflops, bf16_gflops, q8_0_gflops;
};
// Those that the shares were divided by; the others are measured now.
Limits limits_of(const RunningSpeed& speed);

}  // namespace gremium::bench
