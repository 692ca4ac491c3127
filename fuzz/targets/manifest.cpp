// Two texts of versions with a zero byte between: the base model's, and a version of it, which is completed.
#include "versions/manifest.h"

#include "fuzz/target.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    const auto parts = parts_of(input, 2);
    const versions::Manifest base = versions::parse_manifest(parts[0], "base");
    const versions::Manifest version = versions::parse_manifest(parts[1], "version");
    const versions::VersionState whole = versions::complete(base.state, version.state, "version");
    require(versions::complete(base.state, versions::changes(base.state, whole), "changes") == whole);
}

}  // namespace gremium::fuzz
