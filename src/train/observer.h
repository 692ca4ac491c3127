// The reports of a training run to its observers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace gremium::train {

struct DomainScore {
    std::string name;
    double loss = 0;           // nats per token
    double bits_per_byte = 0;  // of the held-out text
    int64_t tokens = 0, bytes = 0;
};

struct RunInfo {
    int64_t parameters = 0, active_parameters = 0;
    int64_t first_step = 0, steps = 0, tokens_a_step = 0;
    struct Domain {
        std::string name;
        double share;  // of the sequences
        int64_t tokens, heldout_tokens;
        double epochs;  // over the whole run
    };
    std::vector<Domain> domains;
    std::string resumed_from;  // a checkpoint; empty: not resumed
};

struct StepReport {
    int64_t step = 0, steps = 0;  // updates done, and their total
    int64_t tokens = 0;           // tokens seen so far
    double loss = 0, balance = 0, z = 0, lr = 0, gradient_norm = 0;
    double tokens_per_second = 0;                      // of the last steps, without evaluations and checkpoints
    double seconds = 0, seconds_left = 0;              // of the run, including the parts before it was resumed
    double max_violation = 0;                          // of this step's worst layer
    int64_t dead_experts = 0;                          // experts without a token in this step, in all layers
    const std::vector<DomainScore>* scores = nullptr;  // the latest evaluation; null before the first
};

class TrainObserver {
  public:
    virtual ~TrainObserver() = default;
    // Work that takes a while, and decisions.
    virtual void on_note(std::string_view) {}
    virtual void on_start(const RunInfo&) {}
    virtual void on_step(const StepReport&) {}
    virtual void on_evaluation(int64_t /*step*/, const std::vector<DomainScore>&) {}
    virtual void on_warning(std::string_view) {}
    virtual void on_checkpoint(const std::filesystem::path&) {}
    // Return false to write a checkpoint and stop.
    virtual bool keep_going() { return true; }
};

}  // namespace gremium::train
