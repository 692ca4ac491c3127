// How much each expert matters to a text. Pruning and merging use it.
#pragma once

#include <vector>

#include "data/windows.h"
#include "engine/arithmetic.h"
#include "model/model.h"

namespace gremium::lab {

enum class Saliency : uint8_t {
    reap,       // mean of routing weight · ‖output‖ over the tokens that chose it (Lasby et al. 2025)
    frequency,  // number of tokens that chose it
    gate,       // sum of its routing weights
    random,
};

// [decoder layer][expert]; larger values matter more. Empty for layers without experts; 0 for experts that no token
// chose. `random` needs no text.
using SaliencyTable = std::vector<std::vector<double>>;
SaliencyTable measure_saliency(const Model& model, Saliency by, const data::Windows& windows, uint64_t seed = 1,
                               engine::Arithmetic arithmetic = engine::Arithmetic::exact);

}  // namespace gremium::lab
