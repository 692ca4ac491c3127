// Session: one sequence of tokens, which grows and shrinks, over an immutable model.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/step.h"

namespace gremium::engine {

struct SessionOptions {
    // Capacity in tokens; 0: the model's context, or what fits into half of the free memory if that is less. The other
    // half is left for pages of weights.
    int64_t context = 0;
    int64_t prefill_chunk = 512;  // tokens that are evaluated together
    DType cache = DType::f32;     // of keys and values (model/kv_cache.h)
    DType compute = DType::q8_0;  // of matmuls (kernels/matmul/grouped_matmul.h); reference kernels round nothing
    moe::RoutingHook* hook = nullptr;
    // Asked before each chunk of several tokens; true ends the evaluation with an Error. Null: nobody is asked.
    std::function<bool()> cancelled = {};
};

struct MemoryOptions;
// The options by which to compute the memory of such a session (engine/memory.h); a context of 0 is the model's
// context.
MemoryOptions memory_options(const Model& model, const SessionOptions& options);

class Session {
  public:
    // Throws Error for a context that does not fit into memory.
    Session(std::shared_ptr<const Model> model, SessionOptions options = {});

    // For encoder–decoder models: encodes in one piece the source that the following tokens depend on, and empties the
    // context. Throws Error for other models.
    void encode(std::span<const int32_t> source);
    // Appends tokens and returns the logits after the last one ([V], valid until the next call). Throws Error if the
    // context is full or a token id is out of range.
    std::span<const float> evaluate(std::span<const int32_t> tokens);
    // As evaluate(), and calls on_row(position, logits) for every token.
    void evaluate_all(std::span<const int32_t> tokens,
                      const std::function<void(int64_t position, std::span<const float> logits_V)>& on_row);
    // As evaluate() for each token in turn, down to the bits, but in one forward: the logits of the last `rows` tokens,
    // f32 [rows, V], valid until the next call. truncate() can go back to the length that the context has now.
    Tensor evaluate_apart(std::span<const int32_t> tokens, int64_t rows);
    // Of the last evaluate(), or as set_last_logits() said.
    std::span<const float> last_logits() const { return logits_; }
    void set_last_logits(std::span<const float> logits_V) { logits_.assign(logits_V.begin(), logits_V.end()); }
    int64_t length() const { return timeline_.length(); }
    int64_t capacity() const { return timeline_.cache().capacity(); }
    void truncate(int64_t length) { timeline_.cache().truncate(length); }
    int64_t reachable(int64_t length) const { return timeline_.cache().reachable(length); }
    // Replaces the hook (null: none). The context is emptied if it was computed under another fingerprint. If a hook
    // changes its fingerprint while the context is in use, evaluate() throws Error.
    void set_hook(moe::RoutingHook* hook) { timeline_.set_hook(hook); }
    const Model& model() const { return *model_; }

  private:
    void require_room(int64_t count) const;
    template <typename OnChunk>
    void run(std::span<const int32_t> tokens, OnChunk&& on_chunk);

    std::shared_ptr<const Model> model_;
    SessionOptions options_;
    Timeline timeline_;
    Arena arena_;
    std::vector<float> logits_;
};

}  // namespace gremium::engine
