// gremium experts: find, prove, edit, keep versions.
#include "cli/experts.h"

namespace gremium::cli {

void add_experts(Command app) {
    Command command = app.add("experts", "Find the experts behind a kind of text, change them, and keep versions");
    command.needs_subcommand();
    add_experts_find(command);
    add_experts_apply(command);
    add_experts_tune(command);
    add_experts_versions(command);
    add_experts_versions_show(command);
}

}  // namespace gremium::cli
