// Replays an audit record and compares the results.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "hooks/audit.h"

namespace gremium::hooks {

struct Replay {
    int64_t positions = 0, tokens = 0;  // how many were equal
    std::string difference;             // the first one, with its line; empty: none
};
// `lines`: the lines of one run, its setup first. Throws Error if the run cannot begin because the prompt does not fit
// the model.
Replay replay(std::shared_ptr<const Model> model, const AuditSetup& setup, std::span<const std::string> lines);

}  // namespace gremium::hooks
