// Measures the cost of writing a trace.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/arithmetic.h"
#include "model/model.h"
#include "text/text_file.h"

namespace gremium::lab {

struct TraceSpeedOptions {
    int64_t window = 0;      // as FeedOptions::window
    int64_t tokens = 16384;  // per round
    bool norms = false;
    engine::Arithmetic arithmetic = engine::Arithmetic::exact;
    int rounds = 7;
    TextNote note = {};
};

// Medians, in tokens per second; `ratio` compares adjacent measurements.
struct TraceSpeed {
    double untraced = 0, traced = 0, ratio = 0;
};

// Runs the same windows of some files without and with a trace, in turn. Writes a temporary trace file into the
// directory.
TraceSpeed measure_trace_speed(const Model& model, const std::vector<std::string>& files,
                               const std::filesystem::path& directory, const TraceSpeedOptions& options);

}  // namespace gremium::lab
