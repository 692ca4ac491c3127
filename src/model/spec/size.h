// Sizes for humans, inspect and the demo.
#pragma once

#include <cstdint>

#include "model/spec/spec.h"

namespace gremium {

struct ModelSize {
    int64_t total_parameters = 0;
    int64_t active_parameters = 0;  // met by one token: k experts of each MoE layer; one row of the embedding
    int64_t flops_per_token = 0;    // 2 · active matrix parameters (attention scores not counted)
};
ModelSize size_of(const ModelSpec& spec);

}  // namespace gremium
