// The subcommands of gremium experts; each file registers its own.
#pragma once

#include "cli/common.h"

namespace gremium::cli {

void add_experts_find(Command experts);
void add_experts_apply(Command experts);
void add_experts_tune(Command experts);

}  // namespace gremium::cli
