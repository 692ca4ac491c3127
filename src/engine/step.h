// One step: what one or many sequences have due goes through the model together. Session and Scheduler are two ways to
// decide what is due; each sequence gets, bit for bit, what it gets alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "engine/logits.h"
#include "model/decoder.h"
#include "tensor/arena.h"

namespace gremium::engine {

// One sequence: what it has seen so far, and the hook (null: none) that is told of its tokens and steers them.
class Timeline {
  public:
    Timeline(KvCache cache, moe::RoutingHook* hook) : cache_(std::move(cache)), hook_(hook) {}

    KvCache& cache() { return cache_; }
    const KvCache& cache() const { return cache_; }
    int64_t length() const { return cache_.length(); }
    moe::RoutingHook* hook() const { return hook_; }
    // Forgets all tokens if they were computed under other steering than this hook's.
    void set_hook(moe::RoutingHook* hook);
    // Whether all tokens were computed under the steering of the hook as it is now.
    bool steering_holds() const;
    // Throws Error where it does not.
    void require_steering();

  private:
    KvCache cache_;
    moe::RoutingHook* hook_;
    std::string steering_;  // fingerprint of the hook under which the cache was filled
};

// The tokens that a sequence goes on with; at least one.
struct Due {
    Timeline* timeline;
    std::span<const int32_t> tokens;
};

class Step {
  public:
    // Runs the model; each timeline is there once. Clears the arena first, and its memory holds the result. Throws
    // Error, among others where a hook has changed its steering since its sequence began.
    Step(Arena& arena, const Model& model, DType compute, std::span<const Due> due);

    // Logits of rows [rows, V], f32. Rows count the tokens that were due, in their order. Error where one is not finite.
    Tensor logits(std::span<const int32_t> rows);
    void each_logits(const OnLogits& on_row);  // of all rows, in their order

  private:
    ops::Graph graph_;
    const Model& model_;
    ops::Var hidden_TD_;
};

// Lets an empty cache remember what the encoder of an encoder-decoder model makes of a source, which is read in one
// piece. Throws Error for other models.
void read_source(Arena& arena, const Model& model, std::span<const int32_t> source, DType compute, KvCache& cache);

}  // namespace gremium::engine
