// The update after the gradients of a step are summed: global-norm clipping, then AdamW.
#pragma once

#include "train/config.h"
#include "train/trainee.h"

namespace gremium::train {

// Applies update number `step` (from 0) with the given learning rate, zeroes the gradients, and returns their norm
// before clipping. Parts that decay get decoupled weight decay (Loshchilov, Hutter: Decoupled Weight Decay
// Regularization, 2019). Throws Error if the norm is not finite; nothing changes then.
double apply_update(const Trainables& trainables, const TrainingConfig& config, int64_t step, double lr);

}  // namespace gremium::train
