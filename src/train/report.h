// A run for human readers: the live line and the HTML report.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

#include "train/observer.h"

namespace gremium::train {

// "step 120/3000  loss 3.214  english 1.91 german 2.03 bits/byte  21.3k tok/s  12m left  MaxVio 0.41  dead 0"
std::string live_line(const StepReport& report);

// A self-contained page (inline SVG, no external scripts) with the curves and expert loads from a run's metrics.
std::string html_report(const nlohmann::json& config, const std::vector<nlohmann::ordered_json>& metrics);

}  // namespace gremium::train
