// How often each token id chose each expert of some layers. For statistics.cpp.
#pragma once

#include "lab/statistics.h"

namespace gremium::lab {

// Fills vocabulary and typical_E of every layer.
void add_vocabulary(const TraceDirectory& traces, std::vector<LayerStatistics>& layers);

}  // namespace gremium::lab
