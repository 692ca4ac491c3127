// How far the routing of a checkpoint already agrees with the final one (Muennighoff et al.: OLMoE, 2024, section 5):
//   router saturation = mean over tokens of |E(t) ∩ E(T)| / k
// E(t): the k experts that a token chose at checkpoint t; T: the final checkpoint. By chance it is about k / experts.
#pragma once

#include <vector>

#include "lab/trace/trace_directory.h"

namespace gremium::lab {

struct Saturation {
    std::vector<double> layers;  // as TraceDirectory::layers
    std::vector<double> first;   // the same for the first choice only (k = 1)
    int64_t tokens = 0;
};

// Both must be traces of the same texts. Throws Error if domains, layers, tokens or experts per token differ.
Saturation saturation(const TraceDirectory& checkpoint, const TraceDirectory& final);

}  // namespace gremium::lab
