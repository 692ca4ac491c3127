// A continuation: the tokens that are made after a prompt, one by one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "text/tokenizer.h"

namespace gremium::engine {

class Session;

enum class Finish : uint8_t {
    end_of_generation,
    max_tokens,
    context_full,
    stopped,    // by on_token
    cancelled,  // by Scheduler::cancel(), or with the scheduler's end
    failed      // a step threw
};

struct GenerateOptions {
    // Below 0: until the context is full.
    int64_t max_tokens = 128;
    SamplerOptions sampler;
    // go on after an end-of-generation token
    bool ignore_end = false;
    // Tokens that end the answer besides the tokenizer's.
    std::vector<int32_t> ends = {};
};

// One answer's tokens, made of logits one by one.
class Continuation {
  public:
    // Throws Error for an empty prompt and for options that the sampler refuses. The tokenizer (null: none) must
    // outlive it.
    Continuation(const Tokenizer* tokenizer, std::span<const int32_t> prompt, const GenerateOptions& options);
    // The token after the last one, from its logits; none at an end-of-generation token and when complete.
    std::optional<int32_t> next(std::span<const float> logits_V);
    bool complete() const { return options_.max_tokens >= 0 && std::ssize(tokens_) >= options_.max_tokens; }
    const std::vector<int32_t>& tokens() const { return tokens_; }

  private:
    const Tokenizer* tokenizer_;
    GenerateOptions options_;
    Sampler sampler_;
    std::vector<int32_t> tokens_;
};

// Evaluates tokens, which are the last of the answer's prompt, and makes the answer. on_token gets each new id before
// the next is made, and says whether to go on (null: yes). Throws Error for tokens that do not fit.
Finish continue_session(Session& session, std::span<const int32_t> tokens, Continuation& answer,
                        const std::function<bool(int32_t token)>& on_token);

// Encodes nothing: prompt ids in, ids out. on_token gets each new id before the next is made; return false to
// stop. Throws Error for an empty prompt or one that does not fit.
std::vector<int32_t> generate(Session& session, std::span<const int32_t> prompt, const GenerateOptions& options,
                              const std::function<bool(int32_t token)>& on_token);

}  // namespace gremium::engine
