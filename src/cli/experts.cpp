// gremium experts: find, prove, edit.
#include "cli/experts.h"

namespace gremium::cli {

void add_experts(CLI::App& app) {
    CLI::App* command =
        app.add_subcommand("experts", "Find the experts behind a kind of text, and change them");
    command->require_subcommand(1);
    add_experts_find(*command);
    add_experts_apply(*command);
    add_experts_tune(*command);
}

}  // namespace gremium::cli
