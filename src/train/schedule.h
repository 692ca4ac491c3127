// The learning rate of a step.
#pragma once

#include "train/config.h"

namespace gremium::train {

// Linear warm-up to `lr` over the first `warmup` steps, then either a cosine to min_lr at the last step (Loshchilov,
// Hutter: SGDR, 2017), or warm-up–stable–decay: constant, then linear to min_lr over the last decay_share of the steps
// (Hu et al.: MiniCPM, 2024). Steps count from 0.
double learning_rate(const TrainingConfig& config, int64_t step);

}  // namespace gremium::train
