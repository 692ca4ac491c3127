// A session that knows which tokens it holds, so that a prompt's known beginning is not evaluated again.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/continuation.h"
#include "engine/prompt.h"
#include "engine/session.h"

namespace gremium::engine {

// What is refused for its arguments changes nothing. When an evaluation or a callback throws, nothing is held
// afterwards.
class PromptCache {
  public:
    // Throws Error as Session.
    explicit PromptCache(std::shared_ptr<const Model> model, const SessionOptions& options = {});

    struct Made {
        std::vector<int32_t> tokens;
        Finish finish;
        // Tokens of the prompt that were held already.
        size_t kept;
    };
    // The hook watches and steers this answer only; null: none. on_token gets each new token before the next is made,
    // and says whether to go on. Throws Error for an empty prompt and one that does not fit.
    Made answer(const Prompt& prompt, const GenerateOptions& options, moe::RoutingHook* hook,
                const std::function<bool(int32_t token)>& on_token);

    // Holds exactly these tokens afterwards: keeps as many of their first as it holds already and evaluates the
    // others. Returns the logits after the last one, valid until the next evaluation. Throws Error for no tokens, ids
    // outside the vocabulary and more tokens than fit.
    std::span<const float> sync(std::span<const int32_t> tokens, moe::RoutingHook* hook);
    // Appends tokens; otherwise the same.
    std::span<const float> evaluate(std::span<const int32_t> tokens, moe::RoutingHook* hook);
    // As Session::encode.
    void read_source(std::span<const int32_t> source, moe::RoutingHook* hook);
    // What was computed under another fingerprint is forgotten.
    void set_hook(moe::RoutingHook* hook);
    // Forgets what comes after so many tokens, or more where layers cannot go back just there; returns how many are
    // left.
    int64_t truncate(int64_t length);

    // Throws Error for an empty prompt, one that does not fit, and ids outside the vocabulary.
    void require(const Prompt& prompt) const;

    const Session& session() const { return session_; }
    std::span<const int32_t> tokens() const { return tokens_; }
    // After the last token held; empty where they were not made.
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
