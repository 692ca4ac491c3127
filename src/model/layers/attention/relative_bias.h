// T5's biases of attention scores by the distance of key and query (Raffel et al. 2020), made once per forward.
#pragma once

#include <cstdint>

#include "model/spec/spec.h"
#include "tensor/arena.h"

namespace gremium {

// The bucket of the distance k − q: half of the buckets are for single distances, the rest widen up to max_distance.
// Without causality half of them are for keys behind the query.
int bucket_of(int64_t distance, const RelativeBiasSpec& spec, bool causal);

struct RelativeBias {
    Tensor table;      // f32 [heads, distances]; empty without biases
    int64_t zero = 0;  // where distance 0 is
};
// For distances up to ± `keys`, and a margin that attention wants. weights: f32 [buckets, heads].
RelativeBias make_relative_bias(Arena& arena, const RelativeBiasSpec& spec, TensorView weights, bool causal,
                                int64_t keys);

}  // namespace gremium
