// How often each token id chose each expert of some layers.
#pragma once

#include <cstdint>
#include <vector>

#include "lab/trace/counts.h"
#include "lab/trace/trace_directory.h"

namespace gremium::lab {

// A token id that chose an expert, counted over all domains.
struct TypicalToken {
    int32_t token;
    int64_t chose, seen;  // N(e, x), N(x)
    double share() const { return static_cast<double>(chose) / static_cast<double>(seen); }
};

struct LayerStatistics {
    std::vector<LayerCounts> domains;  // as TraceDirectory::domains
    LayerCounts all;                   // their sum
    // Σ_x N(x) · max_e N(e, x) / N(x) / Σ_x N(x), over the ids seen at least rare_token times: how well the token id
    // alone predicts the expert.
    double vocabulary = 0;
    // By expert, best first: ordered by the lower end of the confidence interval of N(e, x) / N(x).
    std::vector<std::vector<TypicalToken>> typical_E;
};

inline constexpr int64_t rare_token = 8;
// How many typical tokens are kept per expert.
inline constexpr size_t typical_tokens = 12;

// Lower end of the 95 % confidence interval of a share (Wilson 1927).
double wilson_lower(int64_t successes, int64_t trials);

// Fills vocabulary and typical_E of every layer.
void add_vocabulary(const TraceDirectory& traces, std::vector<LayerStatistics>& layers);

}  // namespace gremium::lab
