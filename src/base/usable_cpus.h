// How many CPUs this process may use, which may be fewer than the machine has.
#pragma once

#include <filesystem>

namespace gremium {

// By its affinity and by the quotas of the control groups around it, at least 1. A quarter of a CPU counts as one.
// `root` holds proc and sys.
int usable_cpus(const std::filesystem::path& root = "/");

}  // namespace gremium
