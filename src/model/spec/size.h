// The size of a model in parameters and operations, for `inspect`, statistics and reports.
#pragma once

#include <cstdint>

#include "model/spec/spec.h"

namespace gremium {

struct ModelSize {
    int64_t total_parameters = 0;
    // Used per token: k experts of each MoE layer, one row of the embedding, everything else.
    int64_t active_parameters = 0;
    // 2 · active matrix parameters; attention scores are not counted.
    int64_t flops_per_token = 0;
};
ModelSize size_of(const ModelSpec& spec);

}  // namespace gremium
