// Scheduler: continuous batching. Many requests decode together, so each step reads an expert's weights only once.
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
    // Input of the encoder; only for models that have one.
    std::vector<int32_t> source = {};
    GenerateOptions generate = {};
    // Steering and hooks apply to this request only. One hook may serve several requests.
    SteeringProfile steering = {};
    std::vector<std::shared_ptr<RoutingHook>> hooks = {};
    // Called by step(). They must not throw, and may call only submit() and cancel() of the scheduler.
    OnText on_text = {};
    // Called once, when the request ends.
    std::function<void(const Answer& answer)> on_finish = {};
};

struct SchedulerOptions {
    // Requests that run at the same time; the others wait.
    int64_t sequences = 8;
    // Tokens per sequence; 0: the model's context, or what fits into memory if that is less.
    int64_t context = 0;
    // Prompt tokens that a step evaluates in addition to the sequences that decode.
    int64_t prefill_chunk = 128;
    // Limit for contexts and activations in bytes; 0: half of the memory that is free now.
    int64_t memory = 0;
    CacheType cache = CacheType::f32;
    Arithmetic arithmetic = Arithmetic::running;
};

// A request gets exactly the tokens that it would get alone in a Session with the same context, prefill_chunk, types,
// steering and hooks, no matter what runs beside it.
class Scheduler {
  public:
    using Id = uint64_t;

    // Throws Error for options out of range and a context that does not fit into memory.
    explicit Scheduler(const Engine& engine, const SchedulerOptions& options = {});
    Scheduler(Scheduler&&) noexcept;
    Scheduler& operator=(Scheduler&&) noexcept;
    // Requests that have not ended end as cancelled; their callbacks are called.
    ~Scheduler();

    // Thread-safe. Requests begin in the order of submission. Throws Error: an empty prompt, a prompt longer than the
    // context, ids outside the vocabulary, steering that does not fit the model.
    Id submit(Request request);
    // Thread-safe. Takes effect at the next step; ids that are unknown or have ended are ignored.
    void cancel(Id id);

    // Evaluates one round for all running requests and calls their callbacks. Returns false when nothing is left to do.
    // Call it from one thread at a time. If it throws, all running requests have ended as failed, and waiting ones are
    // kept.
    bool step();

    // Requests that run; call it between steps.
    int64_t running() const;
    // Requests that wait. Thread-safe.
    int64_t waiting() const;
    // Tokens per sequence.
    int64_t capacity() const;

  private:
    std::unique_ptr<api::Requests> requests_;
};

}  // namespace v0
}  // namespace gremium
