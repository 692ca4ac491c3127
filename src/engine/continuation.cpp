#include "engine/continuation.h"

#include <algorithm>

#include "base/error.h"
#include "engine/session.h"

namespace gremium::engine {

Continuation::Continuation(const Tokenizer* tokenizer, std::span<const int32_t> prompt, const GenerateOptions& options)
    : tokenizer_(tokenizer), options_(options), sampler_(options.sampler), prompt_(prompt.begin(), prompt.end()) {
    if (prompt.empty()) fail("the prompt is empty");
    for (const int32_t token : prompt) sampler_.accept(token);
}

std::optional<int32_t> Continuation::next(std::span<const float> logits_V) {
    if (complete()) return std::nullopt;
    const int32_t token = sampler_.sample(logits_V);
    const bool ends = (tokenizer_ && tokenizer_->is_end_of_generation(token)) ||
                      std::ranges::find(options_.ends, token) != options_.ends.end();
    if (ends && !options_.ignore_end) return std::nullopt;
    tokens_.push_back(token);
    sampler_.accept(token);
    return token;
}

Finish continue_session(Session& session, std::span<const int32_t> tokens, Continuation& answer,
                        const std::function<bool(int32_t token)>& on_token, const Drafting& drafting) {
    std::span<const float> logits = session.evaluate(tokens);
    Ahead ahead(session, answer.prompt(), drafting);
    const auto finish = [&] {
        while (const std::optional<int32_t> token = answer.next(logits)) {
            if (on_token && !on_token(*token)) return Finish::stopped;
            if (answer.complete()) break;
            if (ahead.length() == session.capacity()) return Finish::context_full;
            logits = ahead.next(*token, answer.left() - 1);
        }
        return answer.complete() ? Finish::max_tokens : Finish::end_of_generation;
    }();
    ahead.settle();
    return finish;
}

std::vector<int32_t> generate(Session& session, std::span<const int32_t> prompt, const GenerateOptions& options,
                              const std::function<bool(int32_t token)>& on_token, const Drafting& drafting) {
    Continuation answer(session.model().tokenizer.get(), prompt, options);
    continue_session(session, prompt, answer, on_token, drafting);
    return answer.tokens();
}

}  // namespace gremium::engine
