// Session: one mutable timeline over an immutable model.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "model/decoder.h"

namespace gremium::engine {

struct SessionOptions {
    // 0: the model's, or what fits into half of the free memory if that is less: the other half is for pages of weights.
    int64_t context = 0;
    int64_t prefill_chunk = 512;  // tokens evaluated together
    DType cache = DType::f32;     // of keys and values (model/kv_cache.h)
    DType compute = DType::q8_0;  // of matmuls (kernels/matmul/grouped_matmul.h); reference kernels round nothing
    moe::RoutingHook* hook = nullptr;
};

class Session {
  public:
    // Throws Error for a context that does not fit into memory.
    Session(std::shared_ptr<const Model> model, SessionOptions options = {});

    // Of an encoder–decoder model: reads the source that the tokens from now on are made from; forgets all before. It is
    // read in one piece. Throws Error for other models.
    void encode(std::span<const int32_t> source);
    // Appends tokens and returns the logits after the last one ([V], valid until the next call). Throws Error
    // when the context is full or a token id is out of range.
    std::span<const float> evaluate(std::span<const int32_t> tokens);
    // As evaluate, and calls on_row(position, logits) for every token.
    void evaluate_all(std::span<const int32_t> tokens,
                      const std::function<void(int64_t position, std::span<const float> logits_V)>& on_row);
    std::span<const float> last_logits() const { return logits_; }  // of the last evaluate
    int64_t length() const;
    int64_t capacity() const { return cache_.capacity(); }
    void truncate(int64_t length);
    int64_t reachable(int64_t length) const { return cache_.reachable(length); }
    // Another hook from now on (null: none). What was computed under other steering is forgotten: the context is empty
    // then. A hook that changes its own mind over a context is an Error of evaluate.
    void set_hook(moe::RoutingHook* hook);
    const Model& model() const { return *model_; }

  private:
    template <typename OnChunk>
    void run(std::span<const int32_t> tokens, OnChunk&& on_chunk);

    std::shared_ptr<const Model> model_;
    SessionOptions options_;
    KvCache cache_;
    Arena arena_;
    std::vector<float> logits_;
    std::string steering_;  // fingerprint of the hook under which the cache was filled
};

struct GenerateOptions {
    int64_t max_tokens = 128;
    SamplerOptions sampler;
    bool ignore_end = false;  // go on after an end-of-generation token
};

// One answer's tokens, made of logits one by one.
class Continuation {
  public:
    // Throws Error for an empty prompt and options that make no sense. The tokenizer (null: none) must outlive it.
    Continuation(const Tokenizer* tokenizer, std::span<const int32_t> prompt, const GenerateOptions& options);
    // The token after the last one, from its logits; none at an end-of-generation token and when complete.
    std::optional<int32_t> next(std::span<const float> logits_V);
    bool complete() const { return std::ssize(tokens_) >= options_.max_tokens; }
    const std::vector<int32_t>& tokens() const { return tokens_; }

  private:
    const Tokenizer* tokenizer_;
    GenerateOptions options_;
    Sampler sampler_;
    std::vector<int32_t> tokens_;
};

// Lets an empty cache remember what the model's encoder makes of a source (Session::encode).
void read_source(Arena& arena, const Model& model, std::span<const int32_t> source, DType compute, KvCache& cache);

// Encodes nothing: prompt ids in, ids out. on_token gets each new id before the next is made; return false to
// stop. Throws Error for an empty prompt or one that does not fit.
std::vector<int32_t> generate(Session& session, std::span<const int32_t> prompt, const GenerateOptions& options,
                              const std::function<bool(int32_t token)>& on_token);

}  // namespace gremium::engine
