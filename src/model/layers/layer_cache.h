// What a mixer keeps of a sequence, as numbers from which KvCache allocates.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace gremium {

struct LayerCache {
    // Numbers a token, of the cache's own type.
    int64_t key = 0, value = 0;
    // Into how many heads they are divided; 0 where there are none.
    int heads = 0;
    // Keys and values are one: what they are made from (multi-head latent attention).
    bool latent = false;
    // Of a sequence of any length, f32, zeros at its beginning. With them a context cannot be shortened but to nothing.
    std::vector<Shape> states = {};
};

}  // namespace gremium
