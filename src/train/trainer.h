// The training loop, from a recipe to a model.
#pragma once

#include <cstdint>
#include <filesystem>

#include "train/config.h"
#include "train/observer.h"

namespace gremium::train {

struct TrainOptions {
    bool resume = false;  // from the newest checkpoint, or from the beginning if there is none
};

struct TrainSummary {
    int64_t steps = 0, tokens = 0;  // trained so far
    double seconds = 0;
    bool finished = false;             // false: stopped early
    std::filesystem::path checkpoint;  // the newest, a model directory
    std::filesystem::path report;      // the HTML page
};

// Runs the recipe. Writes into output.dir: lock, data/ (token files), tokenizer-*/, ckpt-*/, metrics.jsonl and
// report.html.
// Throws Error: bad recipe or data, an output directory in which another program trains or that already holds
// checkpoints (unless resuming), a resumed run whose recipe, text or vocabulary changed, a full disk, a gradient that
// is not finite.
TrainSummary train(const TrainConfig& config, const TrainOptions& options, TrainObserver& observer);

}  // namespace gremium::train
