// Evaluates the model on held-out text during training.
#pragma once

#include <span>
#include <vector>

#include "train/corpus.h"
#include "train/learner.h"
#include "train/observer.h"

namespace gremium::train {

// Evaluates the first eval_tokens (0: all) of each domain's held-out tokens. Domains without any are left out.
std::vector<DomainScore> evaluate_domains(const Model& model, const Corpus& corpus, const TrainingConfig& config);

}  // namespace gremium::train
