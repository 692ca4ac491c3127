// T5's score biases by the distance of key and query (Raffel et al. 2020), computed once per forward.
#pragma once

#include <cstdint>

#include "model/spec/spec.h"
#include "tensor/arena.h"

namespace gremium {

// The bucket of the distance k − q. Half of the buckets hold a single distance each, the others widen up to
// max_distance. Without causality, half of all buckets are for keys after the query.
int bucket_of(int64_t distance, const RelativeBiasSpec& spec, bool causal);

struct RelativeBias {
    Tensor table;      // f32 [heads, distances]; empty without biases
    int64_t zero = 0;  // the column of distance 0
};
// For distances up to ± `keys`, plus a margin that the attention kernels need. weights: f32 [buckets, heads].
RelativeBias make_relative_bias(Arena& arena, const RelativeBiasSpec& spec, TensorView weights, bool causal,
                                int64_t keys);

}  // namespace gremium
