// How evenly the experts are used, over a window of steps.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "train/trainee.h"

namespace gremium::train {

// The worst layer's MaxVio (Wang et al.: Auxiliary-Loss-Free Load Balancing, 2024), and experts without a token.
struct Balance {
    double max_violation = 0;
    int64_t dead = 0;
};
Balance balance_of(const std::vector<LayerLoad>& loads);

class LoadWindow {
  public:
    // Adds a step's loads. True when `steps` of them are complete; the next add starts afresh.
    bool add(const std::vector<LayerLoad>& loads, int64_t steps);

    const std::vector<LayerLoad>& loads() const { return sums_; }
    // One line about experts that collapse: over 4× their share of the window's tokens, or without any. Empty when all
    // is well.
    std::string warning() const;

    nlohmann::json state() const;
    void restore(const nlohmann::json& state);

  private:
    std::vector<LayerLoad> sums_;
    int64_t added_ = 0;
    bool full_ = false;
};

}  // namespace gremium::train
