// Whether a store of versions is whole, and what of it nothing refers to.
#pragma once

#include <string>
#include <vector>

#include "versions/versions.h"

namespace gremium::versions {

struct StoreCheck {
    std::vector<std::string> problems;  // a line each; none: every version opens and every byte is what its name says
    int64_t versions = 0, objects = 0, bytes = 0;  // of all files of versions and weights
    int64_t unused = 0;  // of those, files that no branch reaches, and halves a crash has left
};
// Reads everything, the base model included; needs no right to write.
StoreCheck check_store(VersionStore& store);

struct Collected {
    int64_t versions = 0, objects = 0, leftovers = 0, bytes = 0;  // taken away
};
// Takes away versions that neither branches nor HEAD reach, objects that no version names, and what crashes have left.
// Error, and nothing is taken, where a version that is reached cannot be read.
Collected collect_garbage(VersionStore& store);

}  // namespace gremium::versions
