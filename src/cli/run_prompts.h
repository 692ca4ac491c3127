// gremium run: prompts answered one after the other, as text that appears as it is made, or as JSON.
#pragma once

#include <string>
#include <vector>

#include "cli/common.h"
#include "cli/drafting.h"
#include "cli/steering.h"
#include "engine/prompt.h"

namespace gremium::cli {

struct RunPrompts {
    Common common;
    std::vector<std::string> prompts;
    // Files to write; empty: none.
    std::string trace, audit;
    engine::Languages languages;
    Context context;
    // -1: the middle one.
    int colour_layer = -1;
    bool stats = false, explain = false;
    Steering steering;
    Generation generation;
    DraftFlags drafts = {};
};

void run_prompts(const RunPrompts& options);

}  // namespace gremium::cli
