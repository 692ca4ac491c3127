// A list of edits as TOML, and after a zero byte one as a flag says it.
#include "fuzz/target.h"
#include "lab/edit/edit_recipe.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    const auto parts = parts_of(input, 2);
    for (const lab::Edit& edit : lab::parse_edits(parts[0], "edits.toml")) (void)edit.text();
    if (!parts[1].empty()) (void)lab::parse_edit(parts[1], "--edit").text();
}

}  // namespace gremium::fuzz
