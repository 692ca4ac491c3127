// Checks a version store for damage, and removes what nothing refers to.
#pragma once

#include <string>
#include <vector>

#include "versions/versions.h"

namespace gremium::versions {

struct StoreCheck {
    // One line each. None: every version opens, and every file matches the hash in its name.
    std::vector<std::string> problems;
    // Files of versions and of weights, and their bytes.
    int64_t versions = 0, objects = 0, bytes = 0;
    // Of these, files that no branch reaches and incomplete files that a crash left.
    int64_t unused = 0;
};
// Reads everything, the base model included; needs no right to write.
StoreCheck check_store(VersionStore& store);

struct Collected {
    int64_t versions = 0, objects = 0, leftovers = 0, bytes = 0;  // removed
};
// Removes versions that neither branches nor HEAD reach, objects that no version names, and incomplete files that
// crashes left. Throws Error, and removes nothing, if a version that is reached cannot be read.
Collected collect_garbage(VersionStore& store);

}  // namespace gremium::versions
