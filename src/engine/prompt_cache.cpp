#include "engine/prompt_cache.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace gremium::engine {

PromptCache::PromptCache(std::shared_ptr<const Model> model, const SessionOptions& options)
    : session_(std::move(model), options) {}

void PromptCache::require_ids(std::span<const int32_t> tokens) const {
    const Model& model = session_.model();
    for (const int32_t id : tokens)
        if (id < 0 || id >= model.spec.vocab)
            fail("{}: token id {} is outside the vocabulary of {}", model.source, id, model.spec.vocab);
}

void PromptCache::require_room(std::span<const int32_t> tokens, int64_t held) const {
    if (tokens.empty()) fail("the prompt is empty");
    if (held + std::ssize(tokens) > session_.capacity())
        fail("the prompt has {} tokens, more than the context of {} holds", held + std::ssize(tokens),
             session_.capacity());
}

void PromptCache::require(const Prompt& prompt) const {
    require_room(prompt.tokens, 0);
    require_ids(prompt.tokens);
    require_ids(prompt.source);
}

// Runs `work`, which evaluates tokens that are in tokens_ already. If it throws, some layers with a state may have seen
// tokens that others have not; truncating makes them begin again.
template <typename Work>
void PromptCache::evaluating(Work&& work) {
    has_logits_ = false;
    try {
        work();
    } catch (...) {
        session_.truncate(session_.reachable(std::max<int64_t>(session_.length() - 1, 0)));
        tokens_.resize(static_cast<size_t>(session_.length()));
        throw;
    }
    tokens_.resize(static_cast<size_t>(session_.length()));
    has_logits_ = true;
}

// Keeps only the common prefix with the prompt, but leaves at least one token to evaluate.
size_t PromptCache::keep_prefix(std::span<const int32_t> tokens) {
    const int64_t common = std::ranges::mismatch(tokens_, tokens).in2 - tokens.begin();
    return static_cast<size_t>(truncate(std::min(common, std::ssize(tokens) - 1)));
}

int64_t PromptCache::truncate(int64_t length) {
    if (length < 0 || length > session_.length())
        fail("a context of {} tokens cannot be cut to {}", session_.length(), length);
    if (length == session_.length()) return length;
    session_.truncate(session_.reachable(length));
    tokens_.resize(static_cast<size_t>(session_.length()));
    has_logits_ = false;
    return session_.length();
}

void PromptCache::set_hook(moe::RoutingHook* hook) {
    session_.set_hook(hook);
    if (session_.length() == std::ssize(tokens_)) return;
    tokens_.clear();
    has_logits_ = false;
}

std::span<const float> PromptCache::logits() const {
    return has_logits_ ? session_.last_logits() : std::span<const float>();
}

std::span<const float> PromptCache::evaluate(std::span<const int32_t> tokens, moe::RoutingHook* hook) {
    require_ids(tokens);
    set_hook(hook);
    require_room(tokens, session_.length());
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    evaluating([&] { session_.evaluate(tokens); });
    return logits();
}

std::span<const float> PromptCache::sync(std::span<const int32_t> tokens, moe::RoutingHook* hook) {
    require_ids(tokens);
    require_room(tokens, 0);
    set_hook(hook);
    if (has_logits_ && std::ranges::equal(tokens_, tokens)) return logits();
    return evaluate(tokens.subspan(keep_prefix(tokens)), hook);
}

void PromptCache::read_source(std::span<const int32_t> source, moe::RoutingHook* hook) {
    require_ids(source);
    set_hook(hook);
    session_.encode(source);
    tokens_.clear();
    has_logits_ = false;
}

PromptCache::Made PromptCache::answer(const Prompt& prompt, const GenerateOptions& options, moe::RoutingHook* hook,
                                      const std::function<bool(int32_t)>& on_token, const Drafting& drafting) {
    require(prompt);
    Continuation made(session_.model().tokenizer.get(), prompt.tokens, options);
    if (prompt.source.empty())
        set_hook(hook);
    else
        read_source(prompt.source, hook);
    const size_t kept = keep_prefix(prompt.tokens);
    Finish finish = Finish::failed;
    tokens_ = prompt.tokens;
    evaluating([&] {
        const auto remember = [&](int32_t token) {
            tokens_.push_back(token);
            return !on_token || on_token(token);
        };
        finish = continue_session(session_, std::span(prompt.tokens).subspan(kept), made, remember,
                                  hook ? Drafting{} : drafting);
    });
    return {.tokens = made.tokens(), .finish = finish, .kept = kept};
}

}  // namespace gremium::engine
