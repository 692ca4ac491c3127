// The two ways of pairing rotated rows hold the same model under a permutation of the rows of q and k.
#pragma once

#include <cstddef>
#include <vector>

#include "model/spec.h"

namespace gremium {

// How many heads a slot's rows are rotated in; 0 for all other tensors.
int rotated_heads(const ModelSpec& spec, const TensorSlot& slot);

// The bytes of a q or k tensor (or part of a head's norm) with the rows of each head reordered from one
// pairing to the other.
std::vector<std::byte> repair_rows(TensorView tensor, int heads, int rotary_dims, kernels::RopePairing to);

}  // namespace gremium
