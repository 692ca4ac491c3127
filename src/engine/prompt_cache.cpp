#include "engine/prompt_cache.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace gremium::engine {

PromptCache::PromptCache(std::shared_ptr<const Model> model, const SessionOptions& options)
    : session_(std::move(model), options) {}

// Forgets what is not a beginning of the prompt; at least one token is left to evaluate.
size_t PromptCache::keep_prefix(std::span<const int32_t> tokens) {
    const auto held = std::span(tokens_).first(static_cast<size_t>(session_.length()));
    const int64_t common = std::ranges::mismatch(held, tokens).in2 - tokens.begin();
    const int64_t kept = session_.reachable(std::min(common, std::ssize(tokens) - 1));
    session_.truncate(kept);
    return static_cast<size_t>(kept);
}

PromptCache::Made PromptCache::answer(const Prompt& prompt, const GenerateOptions& options, moe::RoutingHook* hook,
                                      const std::function<bool(int32_t)>& on_token) {
    if (prompt.tokens.empty()) fail("the prompt is empty");
    if (std::ssize(prompt.tokens) > session_.capacity())
        fail("the prompt has {} tokens, more than the context of {} holds", prompt.tokens.size(), session_.capacity());
    session_.set_hook(hook);
    if (!prompt.source.empty()) session_.encode(prompt.source);
    const size_t kept = keep_prefix(prompt.tokens);
    tokens_ = prompt.tokens;
    bool enough = false;
    std::vector<int32_t> made = generate(session_, std::span(prompt.tokens).subspan(kept), options, [&](int32_t token) {
        tokens_.push_back(token);
        enough = on_token && !on_token(token);
        return !enough;
    });
    const Finish finish = enough                                     ? Finish::stopped
                          : std::ssize(made) == options.max_tokens   ? Finish::max_tokens
                          : session_.length() == session_.capacity() ? Finish::context_full
                                                                     : Finish::end_of_generation;
    return {.tokens = std::move(made), .finish = finish, .kept = kept};
}

}  // namespace gremium::engine
