// gremium versions: the commands that keep versions of a model.
#pragma once

#include "cli/command.h"

namespace gremium::cli {

// init, commit, log, diff, branch, checkout, revert, export, import, fsck, gc.
void add_version_verbs(Command parent);
// Those of them that change a store, and those that look at one.
void add_changing_verbs(Command parent);
void add_looking_verbs(Command parent);

}  // namespace gremium::cli
