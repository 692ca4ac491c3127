// The rows of q and k permuted from one pairing of rotary positions to the other (interleaved, half split), and those
// of shared keys and values repeated for each head: what files differ in about attention.
#pragma once

#include <cstddef>
#include <vector>

#include "model/spec/tensors.h"

namespace gremium {

// The bytes of a tensor of the model `from` as the model `to`, one of whose slots `slot` is, has them: both compute the
// same. Empty when nothing differs.
std::vector<std::byte> permuted_heads(TensorView tensor, const TensorSlot& slot, const ModelSpec& from,
                                      const ModelSpec& to);

// The same for the value heads of a delta net, whose order may differ (DeltaNetSpec::tiled).
std::vector<std::byte> permuted_value_heads(TensorView tensor, const TensorSlot& slot, const ModelSpec& from,
                                            const ModelSpec& to);

}  // namespace gremium
