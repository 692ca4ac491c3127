// The sizes of what a mixer keeps of a sequence; KvCache allocates by them.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace gremium {

struct LayerCache {
    // Numbers per token, in the cache's type.
    int64_t key = 0, value = 0;
    // The number of heads into which they are divided; 0: none.
    int heads = 0;
    // Keys and values share one latent vector (multi-head latent attention).
    bool latent = false;
    // f32 numbers per sequence, whatever its length; zeros at its beginning. A context with such state can only be
    // emptied, not shortened.
    std::vector<Shape> states = {};
};

}  // namespace gremium
