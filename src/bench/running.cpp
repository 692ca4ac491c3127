#include "bench/running.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <span>

#include "base/median.h"
#include "base/profile.h"
#include "engine/footprint.h"
#include "engine/memory.h"
#include "engine/session.h"
#include "model/spec/size.h"
#include "ops/stages.h"

namespace gremium::bench {
namespace {

// Runs of one kind.
class Phase {
  public:
    Phase(int64_t tokens, double work, bool profiled, std::function<double()> measure)
        : tokens_(tokens), work_(work), profiled_(profiled), measure_(std::move(measure)) {}

    void run(const std::function<void()>& body) {
        {
            const Profiling on(profiled_ ? &profile_ : nullptr);
            const auto start = std::chrono::steady_clock::now();
            body();
            seconds_.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        }
        speeds_.push_back(static_cast<double>(tokens_) / seconds_.back());
        limits_.push_back(measure_());
        shares_.push_back(speeds_.back() * work_ / limits_.back());
    }

    PhaseSpeed speed() const {
        return {.tokens = tokens_,
                .tokens_per_second = median(speeds_),
                .work = work_,
                .limit = median(limits_),
                .share = median(shares_),
                .milliseconds = profiled_ ? milliseconds() : decltype(PhaseSpeed::milliseconds){}};
    }

  private:
    decltype(PhaseSpeed::milliseconds) milliseconds() const {
        const double total = std::accumulate(seconds_.begin(), seconds_.end(), 0.0);
        const double per_token = seconds_.empty() ? 0 : 1e3 / static_cast<double>(tokens_ * std::ssize(seconds_));
        decltype(PhaseSpeed::milliseconds) stages;
        double rest = total;
        for (const std::string_view stage : ops::Stage::all) {
            const auto found = profile_.stages.find(stage);
            const double seconds = found == profile_.stages.end() ? 0 : found->second;
            stages.emplace_back(stage, seconds * per_token);
            rest -= seconds;
        }
        stages.emplace_back("rest", rest * per_token);
        stages.emplace_back("all", total * per_token);
        stages.emplace_back("waiting", profile_.waiting * per_token);
        return stages;
    }

    int64_t tokens_;
    double work_;
    bool profiled_;
    std::function<double()> measure_;
    std::vector<double> seconds_, speeds_, limits_, shares_;
    Profile profile_ = {};
};

std::vector<int32_t> some_tokens(int64_t count, int vocab) {
    std::vector<int32_t> tokens(static_cast<size_t>(count));
    for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(i * 7919 % static_cast<size_t>(vocab));
    return tokens;
}

}  // namespace

RunningSpeed run_running_bench(const std::shared_ptr<const Model>& model, const RunningBench& options) {
    const std::vector<int32_t> prompt = some_tokens(options.prompt, model->spec.vocab);
    engine::Session session(model, {.context = options.prompt + options.predict,
                                    .cache = options.cache,
                                    .compute = engine::compute_of(options.arithmetic)});
    // Pages in; arenas grow.
    session.evaluate(std::span(prompt).first(std::min<size_t>(prompt.size(), 512)));
    const DType compute =
        is_quantised(model->weights.head.value.dtype) ? engine::compute_of(options.arithmetic) : DType::f32;
    // A token reads its weights, and the keys and values of half the decoded context on average.
    const int64_t cached =
        engine::memory_need(*model, {.context = options.prompt + options.predict / 2, .cache = options.cache}).cache();
    Phase prefill(options.prompt, 1e-9 * static_cast<double>(size_of(model->spec).flops_per_token), options.profile,
                  [&] { return peak_gflops(compute); });
    Phase decode(options.predict, 1e-9 * static_cast<double>(engine::footprint(*model).per_token + cached),
                 options.profile, read_gbs);
    for (int r = 0; r < options.repeats; ++r) {
        session.truncate(0);
        prefill.run([&] { session.evaluate(prompt); });
        if (options.predict == 0) continue;
        decode.run([&] {
            for (int64_t i = 0; i < options.predict; ++i)
                session.evaluate(std::span(&prompt[static_cast<size_t>(i % options.prompt)], 1));
        });
    }
    return {.prefill = prefill.speed(), .decode = decode.speed(), .compute = compute};
}

Limits limits_of(const RunningSpeed& speed) {
    const auto gflops = [&](DType type) { return type == speed.compute ? speed.prefill.limit : peak_gflops(type); };
    return {.read_gbs = speed.decode.tokens > 0 ? speed.decode.limit : read_gbs(),
            .f32_gflops = gflops(DType::f32),
            .bf16_gflops = gflops(DType::bf16),
            .q8_0_gflops = gflops(DType::q8_0)};
}

}  // namespace gremium::bench
