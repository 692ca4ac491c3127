// gremium experts: find, prove, edit, fine-tune.
#include "cli/experts.h"

#include "cli/versions.h"

namespace gremium::cli {

void add_experts(Command app) {
    Command command = app.add(
        "experts", "Find the experts behind a kind of text, change or fine-tune them (versions: 'gremium versions')");
    command.needs_subcommand();
    // Where these stood before there was `gremium versions`.
    add_version_verbs(command);
    for (Command verb : command.subcommands()) verb.hide();
    add_experts_find(command);
    add_experts_apply(command);
    add_experts_tune(command);
    command.examples({"gremium experts find --for german.txt --against english.txt"});
}

}  // namespace gremium::cli
