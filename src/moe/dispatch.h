// dispatch: a plan of R rows that sorts the T·k (token, choice) pairs by expert with a counting sort. No weights or
// activations are copied: the grouped matmul gathers its rows through the plan.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gremium::moe {

struct DispatchPlan {
    std::vector<int32_t> offsets;  // [E + 1]: rows of expert e are [offsets[e], offsets[e+1])
    std::vector<int32_t> token;    // [R]: the token of each row, ascending within an expert
    std::vector<int32_t> row_of;   // [T·k]: the row of each (token, choice), −1 if dropped
    int64_t rows() const { return static_cast<int64_t>(token.size()); }
};

// ids_Tk in [0, experts); −1 drops a choice.
DispatchPlan dispatch(std::span<const int32_t> ids_Tk, int top_k, int experts);

}  // namespace gremium::moe
