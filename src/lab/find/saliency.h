// How much each expert matters to a text: what pruning and merging go by.
#pragma once

#include <vector>

#include "data/windows.h"
#include "engine/arithmetic.h"
#include "model/model.h"

namespace gremium::lab {

enum class Saliency : uint8_t {
    reap,       // mean over the tokens that chose it of gate weight · ‖output‖ (Lasby et al. 2025)
    frequency,  // tokens that chose it
    gate,       // sum of its gate weights
    random,
};

// Larger: matters more. [layer of the decoder][expert]; empty for layers without experts. Experts that no token chose
// have 0. random needs no text.
using SaliencyTable = std::vector<std::vector<double>>;
SaliencyTable measure_saliency(const Model& model, Saliency by, const data::Windows& windows, uint64_t seed = 1,
                               engine::Arithmetic arithmetic = engine::Arithmetic::exact);

}  // namespace gremium::lab
