// How many bytes of weights a model has, and how many of them one token reads.
#pragma once

#include <cstdint>

#include "model/model.h"

namespace gremium::engine {

struct Footprint {
    int64_t total = 0;
    int64_t per_token = 0;  // k experts of each MoE layer, one row of the embedding, everything else whole
};

Footprint footprint(const Model& model);

}  // namespace gremium::engine
