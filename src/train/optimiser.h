// The update after a step's gradients are summed: global-norm clipping, then AdamW.
#pragma once

#include "train/config.h"
#include "train/trainee.h"

namespace gremium::train {

// Applies update number `step` (from 0) with the given learning rate and returns the gradient's norm before clipping.
// The gradients are zeroed. Decoupled weight decay on the parts that decay (Loshchilov, Hutter: Decoupled Weight Decay
// Regularization, 2019). Throws Error when the norm is not finite; nothing changes then.
double apply_update(const Trainables& trainables, const TrainingConfig& config, int64_t step, double lr);

}  // namespace gremium::train
