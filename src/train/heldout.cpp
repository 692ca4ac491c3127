#include "train/heldout.h"

#include <algorithm>

#include "data/token_file.h"
#include "engine/evaluate.h"

namespace gremium::train {

std::vector<DomainScore> evaluate_domains(const Model& model, const Corpus& corpus, const TrainingConfig& config) {
    std::vector<DomainScore> scores;
    for (const Domain& domain : corpus.domains) {
        int64_t count = domain.heldout.tokens();
        if (config.eval_tokens > 0) count = std::min(count, config.eval_tokens + 1);
        if (count < 2) continue;
        std::vector<int32_t> ids(static_cast<size_t>(count));
        domain.heldout.read(0, ids);
        const engine::Evaluation result = engine::evaluate(
            model, ids, {.window = config.sequence, .batch = config.micro_batch, .compute = config.compute});
        const int64_t bytes = data::predicted_bytes(*corpus.tokenizer, ids);
        scores.push_back({domain.name, result.mean(), result.bits_per_byte(bytes), result.tokens, bytes});
    }
    return scores;
}

}  // namespace gremium::train
