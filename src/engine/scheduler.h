// Continuous batching: many sequences decode together, so that each step reads an expert's weights once for all of
// them. Requests join and leave the running batch between steps.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/continuation.h"
#include "engine/step.h"

namespace gremium::engine {

struct Request {
    std::vector<int32_t> prompt;
    std::vector<int32_t> source = {};  // of encoder–decoder models: what their encoder reads first
    GenerateOptions generate = {};     // the sampler's seed is the request's own
    // Told by step() of this request's tokens, which alone it steers; must outlive on_finish. What it does to routing
    // must not change while the request runs: step() then throws, having done nothing, until that ends or the request
    // is cancelled.
    moe::RoutingHook* hook = nullptr;
    // Called by step(), and must not throw or call the scheduler, except for submit() and cancel().
    std::function<bool(int32_t token)> on_token = {};  // each token as it is made; false: enough
    std::function<void(Finish)> on_finish = {};        // once
};

struct SchedulerOptions {
    int64_t sequences = 8;  // at most so many run together; the others wait their turn
    // Of each sequence; 0: the model's, or what fits into memory if that is less.
    int64_t context = 0;
    // Tokens of prompts that a step evaluates beside those that decode: of one prompt, or of several short ones.
    int64_t prefill_chunk = 128;
    int64_t memory = 0;  // bytes that caches and activations may take; 0: half of what is free now
    DType cache = DType::f32;
    DType compute = DType::q8_0;
};

// Every request gets exactly the tokens, from exactly the logits, that a Session of the same context, prefill_chunk,
// types and hook gives it alone, whatever runs beside it and however that is steered.
class Scheduler {
  public:
    using Id = uint64_t;

    // Throws Error for options that make no sense and for a context that does not fit into memory.
    explicit Scheduler(std::shared_ptr<const Model> model, SchedulerOptions options = {});
    ~Scheduler();  // cancels what is left

    // From any thread. Requests are begun in this order; each holds memory for its prompt and max_tokens while it runs.
    // Throws Error for an empty prompt, one that the context cannot hold or with ids that the vocabulary lacks.
    Id submit(Request request);
    void cancel(Id id);  // from any thread; takes effect with the next step. Unknown ids are ignored

    // One forward for all that run, with its callbacks; false when nothing is left to do. From one thread at a time.
    // After an Error all that ran are finished as failed; those that wait are kept.
    bool step();

    int64_t running() const;  // between steps
    int64_t waiting() const;  // from any thread
    int64_t context() const { return context_; }

  private:
    struct Sequence;
    struct Work;
    struct Waiting {
        Id id;
        Request request;
    };

    int64_t tokens_of(const Request& request) const;
    int64_t bytes_of(const Request& request) const;
    void drop_cancelled();
    void admit();
    std::unique_ptr<Sequence> begin(Waiting next);
    Work gather();
    void evaluate(const Work& work);
    void hand_out(Sequence& sequence);
    void finish(size_t slot, Finish how);

    std::shared_ptr<const Model> model_;
    SchedulerOptions options_;
    int64_t context_ = 0, memory_ = 0;  // memory_: bytes that caches may still take
    std::vector<std::unique_ptr<Sequence>> slots_;
    uint64_t turns_ = 0;
    Arena arena_;

    mutable std::mutex mutex_;  // of what follows
    std::deque<Waiting> waiting_;
    std::vector<Id> cancelled_;
    Id last_ = 0;
};

}  // namespace gremium::engine
