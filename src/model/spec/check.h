// Shared by the checks of a specification.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace gremium {

// Limits far above any published model. They keep products of sizes within 64 bits and bound the memory that a hostile
// header can demand.
inline constexpr int max_layers = 4096, max_width = 1 << 24, max_heads = 1 << 16, max_experts = 1 << 16;
inline constexpr int64_t max_elements = int64_t{1} << 56;  // of one tensor

struct Check {
    const std::string& source;
    int layer = -1;  // the layer that is checked; −1: the model as a whole

    void range(int64_t value, int64_t low, int64_t high, const char* what) const {
        if (value < low || value > high) fail("{}: {} is {}, expected {} to {}", source, what, value, low, high);
    }
};

}  // namespace gremium
