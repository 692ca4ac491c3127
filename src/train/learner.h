// One training step of a model or a part of one: micro-batches, summed gradients, one update.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/decoder.h"
#include "ops/graph.h"
#include "train/config.h"
#include "train/trainee.h"

namespace gremium::train {

// Means over the step's tokens. Balance loss and z-loss are summed over the layers, without their coefficients.
struct StepLosses {
    double cross_entropy = 0, balance = 0, z = 0;
};

struct StepResult {
    StepLosses losses;
    double gradient_norm = 0;
    std::vector<LayerLoad> loads;  // of each MoE layer
};

// In seconds.
struct Phases {
    double forward = 0, backward = 0, update = 0;
};

class Learner {
  public:
    // The trainee must outlive it.
    Learner(Trainee& trainee, const TrainingConfig& config);

    // One step on config.batch_tokens inputs and the tokens that follow them, sequence after sequence. `step` counts
    // from 0. Throws Error if the gradient is not finite.
    StepResult step(std::span<const int32_t> inputs, std::span<const int32_t> targets, int64_t step, double lr);

    // Of the last step.
    const Phases& phases() const { return phases_; }
    size_t activation_bytes() const { return arena_.bytes_reserved(); }
    // Whether activations are recomputed in the backward; decided in the first step.
    bool recomputes() const { return recompute_.value_or(false); }

  private:
    void micro_batch(std::span<const int32_t> inputs, std::span<const int32_t> targets, StepResult& result);
    bool activations_fit(std::span<const int32_t> inputs);
    Forward run(std::span<const int32_t> inputs);

    Trainee& trainee_;
    TrainingConfig config_;
    Arena arena_;
    ops::Graph graph_;
    std::vector<int32_t> positions_, sequences_;  // of a micro-batch
    uint64_t noise_seed_ = 0;                     // of the micro-batch
    std::optional<bool> recompute_;
    Phases phases_;
};

}  // namespace gremium::train
