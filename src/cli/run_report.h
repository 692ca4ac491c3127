// What `gremium run` reports beside the text.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "hooks/answer.h"
#include "hooks/recorder.h"

namespace gremium::cli {

nlohmann::ordered_json to_json(const std::string& prompt, const hooks::Answer& answer,
                               const engine::GenerateOptions& generate);

struct StatsView {
    bool colour = false;
    int colour_layer = -1;  // whose experts coloured the tokens
};
// Expert loads, sizes beside those of a dense model, speed.
void print_stats(const Model& model, const hooks::RouteRecorder& recorder, const hooks::Speed& speed,
                 const StatsView& view);

}  // namespace gremium::cli
