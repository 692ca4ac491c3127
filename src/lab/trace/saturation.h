// How far the routing of one checkpoint is already that of another (Muennighoff et al.: OLMoE, 2024, section 5):
//   router saturation = mean over tokens of |E(t) ∩ E(T)| / k
// E(t): the k experts a token chose at the checkpoint t; T: the final one. By chance about k / experts.
#pragma once

#include <vector>

#include "lab/trace/trace_directory.h"

namespace gremium::lab {

struct Saturation {
    std::vector<double> layers;  // as TraceDirectory::layers
    std::vector<double> first;   // the same of the first choice alone (k = 1)
    int64_t tokens = 0;
};

// Both of the same texts. Throws Error where domains, layers or tokens differ, or how many experts a token has.
Saturation saturation(const TraceDirectory& checkpoint, const TraceDirectory& final);

}  // namespace gremium::lab
