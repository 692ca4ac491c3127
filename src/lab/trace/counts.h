// How often a text chose which experts. All statistics of a trace are computed from these counts.
#pragma once

#include <cstdint>
#include <vector>

#include "hooks/trace_blocks.h"

namespace gremium::lab {

// The counts of one layer. N_e: tokens that chose expert e (dropped choices do not count).
struct LayerCounts {
    int layer = 0, experts = 0;
    int64_t tokens = 0;
    int64_t choices = 0;                  // Σ_e N_e
    std::vector<int64_t> chosen_E;        // N_e
    std::vector<double> weight_E;         // Σ of its routing weights
    std::vector<double> weighted_norm_E;  // Σ of routing weight · norm of its output; zeros without norms in the trace
    std::vector<int64_t> pairs_EE;        // [E, E], symmetric: tokens that chose both; N_e on the diagonal

    int64_t pairs(int a, int b) const {
        return pairs_EE[static_cast<size_t>(a) * static_cast<size_t>(experts) + static_cast<size_t>(b)];
    }
};

class RouteCounts {
  public:
    explicit RouteCounts(const std::vector<hooks::TraceLayer>& layers);
    void add(const hooks::TraceBlock& block) { add(block, 0, block.size()); }
    // Adds tokens [begin, end) of the block.
    void add(const hooks::TraceBlock& block, size_t begin, size_t end);
    const std::vector<LayerCounts>& layers() const { return layers_; }

  private:
    std::vector<LayerCounts> layers_;
};

}  // namespace gremium::lab
