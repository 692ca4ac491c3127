// What mixers with a state share.
#pragma once

#include <vector>

#include "model/kv_cache.h"
#include "model/layers/block.h"
#include "ops/ops.h"

namespace gremium {

// Rows of a matrix that holds several.
inline ops::Weight rows_of_weight(const ops::Weight& w, int64_t begin, int64_t count) {
    return {ops::rows_of(w.value, begin, count), ops::rows_of(w.grad, begin, count)};
}

// One of the states of a layer (in the order of its LayerCache), of the sequences that continue from a cache.
inline std::vector<ops::GoesOn> states_of(size_t which, int layer, const BlockContext& context) {
    std::vector<ops::GoesOn> result;
    for (const SequenceRows& s : context.sequences)
        if (s.cache) result.push_back({s.row, s.rows, s.cache->state(layer, which)});
    return result;
}

}  // namespace gremium
