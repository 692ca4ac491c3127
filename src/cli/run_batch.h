// gremium run --batch: many prompts, answered several at a time.
#pragma once

#include <string>

#include "cli/common.h"
#include "cli/drafting.h"
#include "cli/steering.h"
#include "engine/prompt.h"

namespace gremium::cli {

struct RunBatch {
    Common common;
    std::string file;     // a prompt a line; empty lines are none
    bool escape = false;  // as unescaped() has it
    engine::Languages languages;
    int64_t sequences = 8;
    Context context;
    Generation generation;
    Steering steering;
    DraftFlags drafts;
};

// Prints a JSON object a line as answers end, with what `gremium run` alone says to each prompt.
void run_batch(const RunBatch& options);

}  // namespace gremium::cli
