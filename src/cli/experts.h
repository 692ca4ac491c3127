// The subcommands of gremium experts; each file registers its own.
#pragma once

#include "cli/common.h"

namespace gremium::cli {

void add_experts_find(CLI::App& experts);
void add_experts_apply(CLI::App& experts);
void add_experts_tune(CLI::App& experts);
void add_experts_versions(CLI::App& experts);
void add_experts_versions_show(CLI::App& experts);

}  // namespace gremium::cli
