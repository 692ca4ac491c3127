// A model that learns: micro-batches in, gradients summed, one update a step.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/decoder.h"
#include "ops/graph.h"
#include "train/config.h"
#include "train/parameters.h"

namespace gremium::train {

// Means over the step's tokens; balance and z summed over the layers, without their coefficients.
struct StepLosses {
    double cross_entropy = 0, balance = 0, z = 0;
};

struct LayerLoad {
    int layer;
    std::vector<int64_t> load_E;  // tokens each expert received
};

struct StepResult {
    StepLosses losses;
    double gradient_norm = 0;
    std::vector<LayerLoad> loads;  // of each MoE layer
};

struct Phases {  // seconds
    double forward = 0, backward = 0, update = 0;
};

class Learner {
  public:
    Learner(const ModelSpec& spec, const TrainingConfig& config);

    // One step on config.batch_tokens inputs and the tokens that follow them, sequence after sequence. `step` counts
    // from 0. Throws Error when the gradient is not finite.
    StepResult step(std::span<const int32_t> inputs, std::span<const int32_t> targets, int64_t step, double lr);

    Parameters& parameters() { return parameters_; }
    const Model& model() const { return *compute_; }  // what the forward reads
    const Model& master() const { return *master_; }  // in f32, to be saved
    void set_tokenizer(std::shared_ptr<const Tokenizer> tokenizer);
    const Phases& phases() const { return phases_; }  // of the last step
    size_t activation_bytes() const { return arena_.bytes_reserved(); }
    bool recomputes() const { return recompute_.value_or(false); }  // activations; decided in the first step

  private:
    void micro_batch(std::span<const int32_t> inputs, std::span<const int32_t> targets, StepResult& result);
    bool activations_fit(std::span<const int32_t> inputs);
    Forward run(std::span<const int32_t> inputs);
    void correct_routers(const std::vector<LayerLoad>& loads);

    TrainingConfig config_;
    Parameters parameters_;
    std::shared_ptr<Model> compute_, master_;
    Arena arena_;
    ops::Graph graph_;
    std::vector<int32_t> positions_, sequences_;  // of a micro-batch
    uint64_t noise_seed_ = 0;                     // of the micro-batch
    std::optional<bool> recompute_;
    Phases phases_;
};

}  // namespace gremium::train
