// The first line of an audited run, and after a zero byte another that is compared with it.
#include "hooks/audit.h"
#include "fuzz/target.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    const auto parts = parts_of(input, 2);
    const std::string said = hooks::to_line(hooks::parse_setup(std::string(parts[0]), "audit.jsonl"));
    require(hooks::to_line(hooks::parse_setup(said, "written")) == said);
    (void)hooks::first_difference(std::string(parts[1]), said);
}

}  // namespace gremium::fuzz
