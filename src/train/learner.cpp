#include "train/learner.h"

#include <chrono>

#include "base/memory.h"
#include "base/random.h"
#include "ops/ops.h"
#include "train/optimiser.h"

namespace gremium::train {
namespace {

// Seconds since the last lap.
class Stopwatch {
  public:
    double lap() {
        const auto now = std::chrono::steady_clock::now();
        const double seconds = std::chrono::duration<double>(now - start_).count();
        start_ = now;
        return seconds;
    }

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void add_load(std::vector<LayerLoad>& loads, const LayerRouting& routing) {
    for (LayerLoad& load : loads) {
        if (load.layer != routing.layer) continue;
        for (size_t e = 0; e < load.load_E.size(); ++e) load.load_E[e] += routing.load_E[e];
        return;
    }
    loads.push_back({routing.layer, routing.load_E});
}

}  // namespace

Learner::Learner(Trainee& trainee, const TrainingConfig& config)
    : trainee_(trainee),
      config_(config),
      graph_(arena_, {.record = true, .compute = config.compute, .activation = config.compute}) {
    for (int64_t sequence = 0; sequence < config.micro_batch; ++sequence) {
        for (int64_t t = 0; t < config.sequence; ++t) {
            positions_.push_back(static_cast<int32_t>(t));
            sequences_.push_back(static_cast<int32_t>(sequence));
        }
    }
}

Forward Learner::run(std::span<const int32_t> inputs) {
    const Batch batch{.tokens = inputs,
                      .positions = std::span(positions_).first(inputs.size()),
                      .sequences = std::span(sequences_).first(inputs.size()),
                      .sequence_length = config_.sequence};
    return forward(graph_, trainee_.model(), batch, {.recompute = recomputes(), .noise_seed = noise_seed_});
}

// Measured with one sequence: the graph knows the memory that it keeps, and every sequence keeps as much.
bool Learner::activations_fit(std::span<const int32_t> inputs) {
    run(inputs.first(static_cast<size_t>(config_.sequence)));
    const auto needed = static_cast<int64_t>(arena_.bytes_in_use()) * config_.micro_batch;
    graph_.clear();
    arena_.clear();
    // A quarter of the free memory is left for gradients during backward and for other programs.
    const int64_t limit = config_.activation_memory ? config_.activation_memory << 20 : available_memory() / 4 * 3;
    return needed <= limit;
}

void Learner::micro_batch(std::span<const int32_t> inputs, std::span<const int32_t> targets, StepResult& result) {
    const double share = static_cast<double>(inputs.size()) / static_cast<double>(config_.batch_tokens);
    Stopwatch watch;
    const Forward out = run(inputs);
    const ModelWeights& weights = trainee_.model().weights;
    const ops::Var cross_entropy =
        ops::cross_entropy(graph_, out.hidden_TD, weights.head, targets, {.bias = weights.head_bias});
    ops::Var loss = cross_entropy;
    for (const LayerRouting& routing : out.routing) {
        if (config_.balance_coef > 0) {
            loss = ops::add_scaled(graph_, loss, routing.balance_loss, static_cast<float>(config_.balance_coef));
        }
        if (config_.z_coef > 0) {
            loss = ops::add_scaled(graph_, loss, routing.z_loss, static_cast<float>(config_.z_coef));
        }
        result.losses.balance += share * *routing.balance_loss->value.f32();
        result.losses.z += share * *routing.z_loss->value.f32();
        add_load(result.loads, routing);
    }
    result.losses.cross_entropy += share * *cross_entropy->value.f32();
    phases_.forward += watch.lap();

    graph_.backward(loss, static_cast<float>(share));
    graph_.clear();
    arena_.clear();
    phases_.backward += watch.lap();
}

StepResult Learner::step(std::span<const int32_t> inputs, std::span<const int32_t> targets, int64_t step, double lr) {
    if (!recompute_) {
        recompute_ = config_.recompute == Recompute::always ||
                     (config_.recompute == Recompute::automatic && !activations_fit(inputs));
    }
    phases_ = {};
    StepResult result;
    const auto tokens = static_cast<size_t>(config_.micro_batch * config_.sequence);
    for (size_t begin = 0; begin < inputs.size(); begin += tokens) {
        noise_seed_ = mix64(mix64(static_cast<uint64_t>(config_.seed)) + static_cast<uint64_t>(step)) + begin;
        micro_batch(inputs.subspan(begin, tokens), targets.subspan(begin, tokens), result);
    }
    Stopwatch watch;
    result.gradient_norm = apply_update(trainee_.trainables(), config_, step, lr);
    trainee_.updated(result.loads);
    phases_.update = watch.lap();
    return result;
}

}  // namespace gremium::train
