#include "bench/sequences.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/median.h"
#include "base/random.h"
#include "engine/footprint.h"
#include "engine/scheduler.h"

namespace gremium::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Counts the bytes of the experts that steps use, each once a step, whichever sequences use it; routes at random if
// asked to.
class ExpertBytes final : public moe::RoutingHook {
  public:
    ExpertBytes(const Model& model, bool random) : model_(model), random_(random) {}
    void before_selection(const moe::BeforeSelection& s) override {
        Random numbers(2, random_ ? ++calls_ : 0);
        for (float& logit : s.logits_TE)
            if (random_) logit = static_cast<float>(numbers.normal());
    }
    void after_selection(const moe::AfterSelection& s) override {
        layers_.insert(s.layer);
        for (const int32_t e : s.ids_Tk)
            if (e >= 0) experts_.insert({s.layer, e});
    }
    void end_step() {
        for (const moe::ExpertId id : experts_) bytes += moe::bytes_of(model_.experts->peek(id));
        experts += std::ssize(experts_);
        layers += std::ssize(layers_);
        experts_.clear();
        layers_.clear();
    }
    int64_t bytes = 0, experts = 0, layers = 0;

  private:
    const Model& model_;
    bool random_;
    uint64_t calls_ = 0;
    std::set<moe::ExpertId> experts_;  // of this step
    std::set<int> layers_;
};

class Bench {
  public:
    Bench(const std::shared_ptr<const Model>& model, const SequencesBench& options)
        : options_(options),
          vocabulary_(model->spec.vocab),
          counter_(*model, options.random_routing),
          scheduler_(model, {.sequences = options.sequences,
                             .context = options.prompt + options.predict + reading_steps(),
                             .prefill_chunk = chunk,
                             .cache = options.cache,
                             .compute = engine::compute_of(options.arithmetic)}) {}

    // Seconds of the steps in which `count` sequences decode.
    double run(int64_t count) {
        std::vector<int64_t> made(static_cast<size_t>(count));
        std::vector<engine::Scheduler::Id> ids;
        for (int64_t i = 0; i < count; ++i)
            ids.push_back(
                scheduler_.submit({.prompt = prompt(),
                                   .generate = {.max_tokens = options_.predict + reading_steps(),
                                                .sampler = {.seed = prompts_},
                                                .ignore_end = true},
                                   .hook = &counter_,
                                   .on_token = [&made, i](int32_t) { return ++made[static_cast<size_t>(i)] > 0; }}));
        while (std::ranges::min(made) == 0) scheduler_.step();
        counter_.end_step();
        counter_.bytes = counter_.experts = counter_.layers = 0;
        const auto start = Clock::now();
        for (int64_t step = 0; step < options_.predict; ++step) {
            scheduler_.step();
            counter_.end_step();
        }
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        for (const auto id : ids) scheduler_.cancel(id);
        scheduler_.step();
        return seconds;
    }
    // Of the last run, a step.
    double expert_bytes_read() const {
        return static_cast<double>(counter_.bytes) / static_cast<double>(options_.predict);
    }
    double experts_used() const {
        return static_cast<double>(counter_.experts) / static_cast<double>(std::max<int64_t>(1, counter_.layers));
    }

  private:
    static constexpr int64_t chunk = 512;

    // At most so many steps until all sequences have their first token; and one more.
    int64_t reading_steps() const { return options_.sequences * ((options_.prompt + chunk - 1) / chunk) + 1; }
    std::vector<int32_t> prompt() {
        Random random(1, ++prompts_);
        std::vector<int32_t> tokens(static_cast<size_t>(options_.prompt));
        for (int32_t& t : tokens) t = static_cast<int32_t>(random.below(static_cast<uint64_t>(vocabulary_)));
        return tokens;
    }

    SequencesBench options_;
    int vocabulary_;
    uint64_t prompts_ = 0;
    ExpertBytes counter_;
    engine::Scheduler scheduler_;
};

}  // namespace

SequencesSpeed run_sequences_bench(const std::shared_ptr<const Model>& model, const SequencesBench& options) {
    Bench bench(model, options);
    const auto steps = static_cast<double>(options.predict), sequences = static_cast<double>(options.sequences);
    const auto per_token = static_cast<double>(engine::footprint(*model).per_token);
    std::vector<double> together, alone, ratio, limit;
    double experts = 0;
    bench.run(1);  // pages in, arenas grow
    for (int r = 0; r < options.repeats; ++r) {
        alone.push_back(steps / bench.run(1));
        const double of_experts = bench.expert_bytes_read();
        together.push_back(sequences * steps / bench.run(options.sequences));
        ratio.push_back(together.back() / alone.back());
        limit.push_back(sequences * per_token / (per_token - of_experts + bench.expert_bytes_read()));
        experts = bench.experts_used();
    }
    return {median(together), median(alone), median(ratio), median(limit), experts};
}

}  // namespace gremium::bench
