// How well the model does on held-out text while it learns.
#pragma once

#include <span>
#include <vector>

#include "train/corpus.h"
#include "train/learner.h"
#include "train/trainer.h"

namespace gremium::train {

// Bytes of text the ids [1, …) stand for: documents end with one separator byte, the space that encode puts before a
// document is not text.
int64_t predicted_bytes(const Tokenizer& tokenizer, std::span<const int32_t> ids);

// The first eval_tokens (0: all) of each domain's held-out tokens. Domains without any are left out.
std::vector<DomainScore> evaluate_domains(const Model& model, const Corpus& corpus,
                                          const TrainingConfig& config);

}  // namespace gremium::train
