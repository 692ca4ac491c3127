#include "train/heldout.h"

#include <algorithm>

#include "model/evaluate.h"

namespace gremium::train {

int64_t predicted_bytes(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
    const Vocabulary& vocabulary = tokenizer.vocabulary();
    int64_t bytes = 0;
    bool starts_document = true;
    for (size_t i = 0; i < ids.size(); ++i) {
        int64_t size = 0;
        if (ids[i] == vocabulary.eos) {
            size = 1;
            starts_document = true;
        } else if (ids[i] != vocabulary.bos) {
            size = static_cast<int64_t>(tokenizer.piece(ids[i]).size());
            if (starts_document && vocabulary.add_space_prefix) --size;
            starts_document = false;
        }
        if (i > 0) bytes += size;
    }
    return bytes;
}

std::vector<DomainScore> evaluate_domains(const Model& model, const Corpus& corpus,
                                          const TrainingConfig& config) {
    std::vector<DomainScore> scores;
    for (const Domain& domain : corpus.domains) {
        int64_t count = domain.heldout.tokens();
        if (config.eval_tokens > 0) count = std::min(count, config.eval_tokens + 1);
        if (count < 2) continue;
        std::vector<int32_t> ids(static_cast<size_t>(count));
        domain.heldout.read(0, ids);
        const Evaluation result = evaluate(model, ids,
                                           {.window = config.sequence,
                                            .batch = config.micro_batch,
                                            .compute = config.compute,
                                            .activation = config.compute});
        const int64_t bytes = predicted_bytes(*corpus.tokenizer, ids);
        scores.push_back({domain.name, result.mean(), result.bits_per_byte(bytes), result.tokens, bytes});
    }
    return scores;
}

}  // namespace gremium::train
