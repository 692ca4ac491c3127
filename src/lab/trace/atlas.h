// A page that shows what traces say: self-contained HTML, for one model or two side by side. The page itself is in
// lab/web/.
#pragma once

#include <span>
#include <string>

#include "lab/trace/statistics.h"

namespace gremium::lab {

// A typical token of an expert where it was chosen with the largest weight, with its neighbours in the window.
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
