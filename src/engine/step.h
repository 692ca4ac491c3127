// One step: the due tokens of one or many sequences go through the model together. Session and Scheduler are two ways
// to decide which tokens are due. Each sequence gets, bit for bit, what it would get alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "engine/logits.h"
#include "model/decoder.h"
#include "tensor/arena.h"

namespace gremium::engine {

// One sequence: its cache, and the hook (null: none) that observes and steers its tokens.
class Timeline {
  public:
    Timeline(KvCache cache, moe::RoutingHook* hook) : cache_(std::move(cache)), hook_(hook) {}

    KvCache& cache() { return cache_; }
    const KvCache& cache() const { return cache_; }
    int64_t length() const { return cache_.length(); }
    moe::RoutingHook* hook() const { return hook_; }
    // Forgets all tokens if they were computed under another fingerprint than this hook's.
    void set_hook(moe::RoutingHook* hook);
    // Whether all tokens were computed under the hook's present fingerprint.
    bool steering_holds() const;
    // Throws Error if steering_holds() is false.
    void require_steering();

  private:
    KvCache cache_;
    moe::RoutingHook* hook_;
    std::string steering_;  // the fingerprint under which the cache was filled
};

// The next tokens of a sequence; at least one.
struct Due {
    Timeline* timeline;
    std::span<const int32_t> tokens;
    // Each token gets, bit for bit, what it would get in a step of its own; weights are read once for all of them.
    bool apart = false;
};

class Step {
  public:
    // Runs the model; each timeline occurs once. Clears the arena first and keeps the result in it. Throws Error, for
    // example if a hook has changed its fingerprint since its sequence began.
    Step(Arena& arena, const Model& model, DType compute, std::span<const Due> due);

    // f32 [rows, V]: the logits of some of the due tokens; row i is the i-th due token over all sequences. Throws Error
    // if one is not finite.
    Tensor logits(std::span<const int32_t> rows);
    // The logits of all rows, in order.
    void each_logits(const OnLogits& on_row);

  private:
    ops::Graph graph_;
    const Model& model_;
    ops::Var hidden_TD_;
};

// Encodes a source in one piece with an encoder–decoder model, and stores the result in an empty cache. Throws Error
// for other models.
void read_source(Arena& arena, const Model& model, std::span<const int32_t> source, DType compute, KvCache& cache);

}  // namespace gremium::engine
