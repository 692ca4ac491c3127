// Scheduler: many requests that decode together, so that each step reads an expert's weights once for all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <gremium/session.hpp>

namespace gremium {
namespace api {
class Requests;
}

inline namespace v0 {

struct Request {
    std::vector<int32_t> prompt;
    std::vector<int32_t> source = {};  // of a model with an encoder: what that reads first
    GenerateOptions generate = {};
    SteeringProfile steering = {};                         // of this request alone
    std::vector<std::shared_ptr<RoutingHook>> hooks = {};  // of this request alone; one hook may serve several requests
    // Called by step(); must not throw, nor call the scheduler but for submit() and cancel().
    OnText on_text = {};
    std::function<void(const Answer& answer)> on_finish = {};  // once
};

struct SchedulerOptions {
    int64_t sequences = 8;  // so many run at a time; the others wait
    // Tokens that one sequence can hold; 0: the model's number, or what fits into memory where that is less.
    int64_t context = 0;
    // Tokens of prompts that a step evaluates beside the sequences that decode.
    int64_t prefill_chunk = 128;
    int64_t memory = 0;  // bytes that contexts and activations may take; 0: half of what is free now
    CacheType cache = CacheType::f32;
    Arithmetic arithmetic = Arithmetic::running;
};

// Every request gets exactly the tokens that a Session of the same context, prefill_chunk, types, steering and hooks
// gives it alone, whatever runs beside it.
class Scheduler {
  public:
    using Id = uint64_t;

    // Throws Error for options out of range and a context that does not fit into memory.
    explicit Scheduler(const Engine& engine, const SchedulerOptions& options = {});
    Scheduler(Scheduler&&) noexcept;
    Scheduler& operator=(Scheduler&&) noexcept;
    ~Scheduler();  // ends what is left as cancelled, with callbacks

    // From any thread. Requests begin in the order of submission. Throws Error: an empty prompt, one that the context
    // cannot hold, ids outside the vocabulary, steering that does not fit the model.
    Id submit(Request request);
    // From any thread. Takes effect with the next step; ids that are unknown or have ended are ignored.
    void cancel(Id id);

    // Evaluates one round for all that run and calls their callbacks. False when nothing is left to do. From one
    // thread at a time. When it throws, all that ran have ended as failed and those that wait are kept.
    bool step();

    int64_t running() const;   // between steps
    int64_t waiting() const;   // from any thread
    int64_t capacity() const;  // tokens that one sequence can hold

  private:
    std::unique_ptr<api::Requests> requests_;
};

}  // namespace v0
}  // namespace gremium
