#include "train/report.h"

#include <fmt/format.h>

namespace gremium::train {

std::string live_line(const StepReport& report) {
    return fmt::format("step {}/{}  loss {:.3f}", report.step, report.steps, report.loss);
}

std::string html_report(const nlohmann::json&, const std::vector<nlohmann::ordered_json>&) { return ""; }

}  // namespace gremium::train
