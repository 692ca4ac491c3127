#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "engine/drafting/drafter.h"
#include "engine/prompt_cache.h"
#include "text/tokenizer.h"

namespace gremium::engine {
namespace {

class ModelDrafter final : public Drafter {
  public:
    ModelDrafter(std::shared_ptr<const Model> draft, const SessionOptions& options)
        : cache_(std::move(draft), options) {}

    std::vector<int32_t> draft(std::span<const int32_t> tokens, int most) override {
        std::vector<int32_t> result;
        const int64_t room = cache_.session().capacity() - std::ssize(tokens);
        most = static_cast<int>(std::min<int64_t>(most, room));
        if (most <= 0) return result;
        std::span<const float> logits = cache_.sync(tokens, nullptr);
        while (std::ssize(result) < most) {
            const auto best = std::ranges::max_element(logits);
            if (!likely(logits, *best)) break;
            result.push_back(static_cast<int32_t>(best - logits.begin()));
            if (std::ssize(result) < most) logits = cache_.evaluate({&result.back(), 1}, nullptr);
        }
        return result;
    }

  private:
    // At least half of the probability.
    static bool likely(std::span<const float> logits, float best) {
        double others = -1;
        for (const float logit : logits) others += std::exp(double{logit} - best);
        return others <= 1;
    }

    PromptCache cache_;
};

const Vocabulary& vocabulary_of(const Model& model) { return tokenizer_of(model).vocabulary(); }

}  // namespace

void require_same_vocabulary(const Model& draft, const Model& model) {
    const Vocabulary &drafts = vocabulary_of(draft), &own = vocabulary_of(model);
    const size_t common = std::min(drafts.tokens.size(), own.tokens.size());
    const auto differ = std::mismatch(own.tokens.begin(), own.tokens.begin() + static_cast<std::ptrdiff_t>(common),
                                      drafts.tokens.begin());
    const auto id = differ.first - own.tokens.begin();
    if (static_cast<size_t>(id) < common)
        fail("{}: drafts for {} need its vocabulary, but token {} is \"{}\" instead of \"{}\"", draft.source,
             model.source, id, *differ.second, *differ.first);
    if (draft.spec.vocab > model.spec.vocab)
        fail("{}: drafts for {} need its vocabulary of {} tokens, found {}", draft.source, model.source,
             model.spec.vocab, draft.spec.vocab);
    if (draft.encoder) fail("{}: an encoder-decoder model makes no drafts", draft.source);
}

std::unique_ptr<Drafter> make_model_drafter(std::shared_ptr<const Model> draft, const Model& model,
                                            const SessionOptions& options) {
    require_same_vocabulary(*draft, model);
    return std::make_unique<ModelDrafter>(std::move(draft), options);
}

}  // namespace gremium::engine
