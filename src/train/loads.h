// The balance of experts over a window of steps.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "train/trainee.h"

namespace gremium::train {

// MaxVio of the worst layer (Wang et al.: Auxiliary-Loss-Free Load Balancing, 2024), and the experts without any token.
struct Balance {
    double max_violation = 0;
    int64_t dead = 0;
};
Balance balance_of(const std::vector<LayerLoad>& loads);

class LoadWindow {
  public:
    // Adds a step's loads. Returns true when `steps` of them are complete; the next call then begins a new window.
    bool add(const std::vector<LayerLoad>& loads, int64_t steps);

    const std::vector<LayerLoad>& loads() const { return sums_; }
    // One line about collapsed experts, which got over 4× their even share of the window's tokens or none at all; empty
    // if there are none.
    std::string warning() const;

    nlohmann::json state() const;
    void restore(const nlohmann::json& state);

  private:
    std::vector<LayerLoad> sums_;
    int64_t added_ = 0;
    bool full_ = false;
};

}  // namespace gremium::train
