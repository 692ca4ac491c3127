// A continuation: the tokens that are generated after a prompt, one by one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/drafting/ahead.h"
#include "engine/sampler.h"
#include "text/tokenizer.h"

namespace gremium::engine {

enum class Finish : uint8_t {
    end_of_generation,
    max_tokens,
    context_full,
    stopped,    // by on_token
    cancelled,  // by Scheduler::cancel() or the scheduler's destructor
    failed      // a step threw
};

struct GenerateOptions {
    // Below 0: until the context is full.
    int64_t max_tokens = 128;
    SamplerOptions sampler;
    // Continue after an end-of-generation token.
    bool ignore_end = false;
    // Tokens that end the answer besides the tokenizer's.
    std::vector<int32_t> ends = {};
};

// Chooses the tokens of one answer from logits, one by one.
class Continuation {
  public:
    // Throws Error for an empty prompt and for options that the sampler rejects. The tokenizer (null: none) must
    // outlive this object.
    Continuation(const Tokenizer* tokenizer, std::span<const int32_t> prompt, const GenerateOptions& options);
    // The next token, from the logits of the last one; none if it ends the answer or the answer is complete.
    std::optional<int32_t> next(std::span<const float> logits_V);
    bool complete() const { return left() == 0; }
    // How many more there may be.
    int64_t left() const {
        return options_.max_tokens < 0 ? INT64_MAX : std::max<int64_t>(0, options_.max_tokens - std::ssize(tokens_));
    }
    const std::vector<int32_t>& tokens() const { return tokens_; }
    const std::vector<int32_t>& prompt() const { return prompt_; }

  private:
    const Tokenizer* tokenizer_;
    GenerateOptions options_;
    Sampler sampler_;
    std::vector<int32_t> prompt_, tokens_;
};

// Evaluates `tokens`, the part of the answer's prompt that the session does not hold yet, and generates the answer.
// on_token (may be null) gets each new id before the next one is generated; it returns false to stop. Throws Error for
// tokens that do not fit. The answer is the same with drafts and without.
Finish continue_session(Session& session, std::span<const int32_t> tokens, Continuation& answer,
                        const std::function<bool(int32_t token)>& on_token, const Drafting& drafting = {});

// From prompt ids to generated ids, without a tokenizer. on_token gets each new id before the next one is generated;
// return false to stop. Throws Error for an empty prompt or one that does not fit.
std::vector<int32_t> generate(Session& session, std::span<const int32_t> prompt, const GenerateOptions& options,
                              const std::function<bool(int32_t token)>& on_token, const Drafting& drafting = {});

}  // namespace gremium::engine
