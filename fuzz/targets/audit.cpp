// Two lines of an audit: the first of a run, and one to compare with it.
#include "hooks/audit.h"
#include "fuzz/target.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    const auto parts = parts_of(input, 2);
    const std::string line(parts[0]), other(parts[1]);
    (void)hooks::first_difference(line, other);
    const std::string said = hooks::to_line(hooks::parse_setup(line, "audit.jsonl"));
    require(hooks::to_line(hooks::parse_setup(said, "written")) == said);
}

}  // namespace gremium::fuzz
