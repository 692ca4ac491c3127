// What files differ in about the rows of q, k and v: how rotated rows are paired, and whether heads share
// keys.
#pragma once

#include <cstddef>
#include <vector>

#include "model/spec/spec.h"

namespace gremium {

// The bytes of `tensor`, a slot of the model `from`, as the model `to` has them: the same function, with rows
// of q and k reordered for the other rotary pairing, and those of k and v repeated for every head that shared
// them. Empty when nothing differs.
std::vector<std::byte> rearranged_rows(TensorView tensor, const TensorSlot& slot, const ModelSpec& from,
                                       const ModelSpec& to);

}  // namespace gremium
