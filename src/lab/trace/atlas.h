// The atlas: a self-contained HTML page that shows traces of one model, or of two side by side. The page itself is in
// web/.
#pragma once

#include <span>
#include <string>

#include "lab/trace/statistics.h"

namespace gremium::lab {

// The occurrence of a typical token at which its expert had the largest weight, with the tokens around it.
struct Example {
    size_t domain;  // of TraceDirectory::domains
    float weight;
    std::vector<int32_t> before, after;  // tokens
};

// examples[row][expert][i]: of statistics.layers[row].typical_E[expert][i].
using Examples = std::vector<std::vector<std::vector<Example>>>;
Examples find_examples(const TraceDirectory& traces, const Statistics& statistics);

// Throws Error when there are no traces.
std::string atlas_page(std::span<const TraceDirectory> models);

}  // namespace gremium::lab
