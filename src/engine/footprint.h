// The bytes of a model's weights, and how many of them are read per token.
#pragma once

#include <cstdint>

#include "model/model.h"

namespace gremium::engine {

struct Footprint {
    int64_t total = 0;
    int64_t per_token = 0;  // k experts of each MoE layer, one row of the embedding, everything else
};

Footprint footprint(const Model& model);

}  // namespace gremium::engine
