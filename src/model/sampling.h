// How those who made a model would have its tokens chosen. What files do not say is left to who runs it.
#pragma once

#include <optional>

namespace gremium {

struct SamplingDefaults {
    std::optional<float> temperature = {};  // 0: always the most probable token
    std::optional<int> top_k = {};          // 0: all
    std::optional<float> top_p = {}, min_p = {};
    std::optional<float> repetition_penalty = {};
    std::optional<int> repetition_window = {};
    friend bool operator==(const SamplingDefaults&, const SamplingDefaults&) = default;
};

}  // namespace gremium
