#include "base/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include <unistd.h>

namespace gremium {
namespace {

constexpr int64_t unlimited = std::numeric_limits<int64_t>::max();

// The number a file of the kernel starts with; none when it is missing or says "max".
std::optional<int64_t> number_in(const char* path) {
    std::ifstream file(path);
    int64_t value = 0;
    if (!(file >> value)) return std::nullopt;
    return value;
}

int64_t system_memory() {
    std::ifstream file("/proc/meminfo");
    std::string key, unit;
    for (int64_t kib = 0; file >> key >> kib >> unit;) {
        if (key == "MemAvailable:") return kib * 1024;
    }
    return static_cast<int64_t>(sysconf(_SC_AVPHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

int64_t control_group_memory() {
    const auto limit = number_in("/sys/fs/cgroup/memory.max");
    const auto used = number_in("/sys/fs/cgroup/memory.current");
    return limit && used ? std::max<int64_t>(*limit - *used, 0) : unlimited;
}

}  // namespace

int64_t available_memory() { return std::min(system_memory(), control_group_memory()); }

}  // namespace gremium
