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
    // The encoder's input, for encoder–decoder models.
    std::vector<int32_t> source = {};
    // Each request has its own sampler and seed.
    GenerateOptions generate = {};
    // Drafts for this request alone (drafting/drafter.h), at most SchedulerOptions::drafts tokens at a time. Null:
    // nobody. Nothing is drafted where there is a hook.
    std::shared_ptr<Drafter> drafter = {};
    // Called by step() for this request's tokens only; must outlive on_finish. Its fingerprint must not change while
    // the request runs; otherwise step() throws and does nothing until it is restored or the request is cancelled.
    moe::RoutingHook* hook = nullptr;
    // The callbacks are called by step(). They must not throw, and may call only submit() and cancel() of the
    // scheduler.
    //
    // Called for each generated token; return false to stop.
    std::function<bool(int32_t token)> on_token = {};
    // Called once.
    std::function<void(Finish)> on_finish = {};
};

struct SchedulerOptions {
    // Requests that run at the same time; the others wait.
    int64_t sequences = 8;
    // Tokens per sequence; 0: the model's context, or what fits into memory if that is less.
    int64_t context = 0;
    // Prompt tokens that a step evaluates besides the decoding sequences, from one prompt or several short ones.
    int64_t prefill_chunk = 128;
    // Limit for caches and activations in bytes; 0: half of the memory that is free now.
    int64_t memory = 0;
    DType cache = DType::f32;
    DType compute = DType::q8_0;
    // The longest draft, in tokens; 0: requests have no drafters.
    int drafts = 0;
};

// A request gets exactly the tokens, from exactly the logits, that it would get alone in a Session with the same
// context, prefill_chunk, types and hook, no matter what runs beside it and how that is steered.
class Scheduler {
  public:
    using Id = uint64_t;

    // Throws Error for options out of range and for a context that does not fit into memory.
    explicit Scheduler(std::shared_ptr<const Model> model, SchedulerOptions options = {});
    // Requests that have not ended end as cancelled.
    ~Scheduler();

    // Thread-safe. Requests begin in the order of submission; a running request holds memory for its prompt and
    // max_tokens. Throws Error for an empty prompt, a prompt longer than the context, and ids outside the vocabulary.
    Id submit(Request request);
    // Thread-safe. Takes effect at the next step; unknown ids are ignored.
    void cancel(Id id);

    // Runs one forward for all running requests and calls their callbacks. Returns false when nothing is left to do.
    // Call it from one thread at a time. If it throws, all running requests have ended as failed; waiting ones are
    // kept.
    bool step();

    // Requests that run; call it between steps.
    int64_t running() const;
    // Requests that wait. Thread-safe.
    int64_t waiting() const;
    int64_t context() const { return context_; }
    // What drafts came to so far.
    const DraftStats& draft_stats() const { return gate_.stats(); }

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
    int drafts_wanted();
    void evaluate(Work& work);
    void account(Work& work);
    void hand_out(Sequence& sequence);
    void finish(size_t slot, Finish how);

    std::shared_ptr<const Model> model_;
    SchedulerOptions options_;
    int64_t context_ = 0, memory_ = 0;  // memory_: bytes still available for caches
    std::vector<std::unique_ptr<Sequence>> slots_;
    uint64_t turns_ = 0;
    Arena arena_;
    DraftGate gate_;

    mutable std::mutex mutex_;  // guards the members below
    std::deque<Waiting> waiting_;
    std::vector<Id> cancelled_;
    Id last_ = 0;
};

}  // namespace gremium::engine
