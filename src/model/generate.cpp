#include "base/error.h"
#include "model/session.h"

namespace gremium {

std::vector<int32_t> generate(Session& session, std::span<const int32_t> prompt,
                              const GenerateOptions& options,
                              const std::function<bool(int32_t token)>& on_token) {
    if (prompt.empty()) fail("the prompt is empty");
    Sampler sampler(options.sampler);
    for (int32_t token : prompt) sampler.accept(token);
    std::span<const float> logits = session.evaluate(prompt);

    const Tokenizer* tokenizer = session.model().tokenizer.get();
    std::vector<int32_t> made;
    while (static_cast<int64_t>(made.size()) < options.max_tokens) {
        const int32_t token = sampler.sample(logits);
        if (!options.ignore_end && tokenizer && tokenizer->is_end_of_generation(token)) break;
        made.push_back(token);
        sampler.accept(token);
        if (on_token && !on_token(token)) break;
        if (session.length() == session.capacity() || static_cast<int64_t>(made.size()) == options.max_tokens)
            break;
        logits = session.evaluate(std::span(&token, 1));
    }
    return made;
}

}  // namespace gremium
