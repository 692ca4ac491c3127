// A session that knows its tokens, so that a common prefix of prompts is evaluated only once.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/continuation.h"
#include "engine/prompt.h"
#include "engine/session.h"

namespace gremium::engine {

// A call that rejects its arguments changes nothing. If an evaluation or a callback throws, the cache may hold fewer
// tokens afterwards, and none if layers cannot go back.
class PromptCache {
  public:
    // Throws Error as Session.
    explicit PromptCache(std::shared_ptr<const Model> model, const SessionOptions& options = {});

    struct Made {
        std::vector<int32_t> tokens;
        Finish finish;
        // Tokens of the prompt that were in the cache already.
        size_t kept;
    };
    // The hook observes and steers this answer only; null: none. on_token gets each new token before the next one is
    // generated, and returns false to stop. Nothing is drafted where there is a hook: it would see tokens that the
    // answer does not have. Throws Error for an empty prompt and one that does not fit.
    Made answer(const Prompt& prompt, const GenerateOptions& options, moe::RoutingHook* hook,
                const std::function<bool(int32_t token)>& on_token, const Drafting& drafting = {});

    // Makes the cache hold exactly these tokens: keeps the common prefix and evaluates the others. Returns the logits
    // [V] after the last one, valid until the next evaluation. Throws Error for no tokens, ids outside the vocabulary,
    // and more tokens than fit.
    std::span<const float> sync(std::span<const int32_t> tokens, moe::RoutingHook* hook);
    // Appends tokens; otherwise as sync().
    std::span<const float> evaluate(std::span<const int32_t> tokens, moe::RoutingHook* hook);
    // As Session::encode.
    void read_source(std::span<const int32_t> source, moe::RoutingHook* hook);
    // Forgets tokens that were computed under another fingerprint.
    void set_hook(moe::RoutingHook* hook);
    // Forgets all but the first `length` tokens, or more if the layers cannot go back to exactly there. Returns the
    // number of tokens left.
    int64_t truncate(int64_t length);

    // Throws Error for an empty prompt, one that does not fit, and ids outside the vocabulary.
    void require(const Prompt& prompt) const;

    const Session& session() const { return session_; }
    std::span<const int32_t> tokens() const { return tokens_; }
    // The logits after the last token; empty if they were not computed.
    std::span<const float> logits() const;

  private:
    size_t keep_prefix(std::span<const int32_t> tokens);
    void require_ids(std::span<const int32_t> tokens) const;
    void require_room(std::span<const int32_t> tokens, int64_t held) const;
    template <typename Work>
    void evaluating(Work&& work);

    Session session_;
    std::vector<int32_t> tokens_;
    bool has_logits_ = false;
};

}  // namespace gremium::engine
