// Runs again what an audit record holds.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "hooks/audit.h"

namespace gremium::hooks {

struct Replay {
    int64_t positions = 0, tokens = 0;  // that were the same
    std::string difference;             // the first, with its line; empty: none
};
// `lines`: those of one run, the setup's first. Throws Error where it cannot begin: a prompt that is none of this
// model's.
Replay replay(std::shared_ptr<const Model> model, const AuditSetup& setup, std::span<const std::string> lines);

}  // namespace gremium::hooks
