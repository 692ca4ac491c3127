#include "base/memory.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "base/control_groups.h"

namespace gremium {
namespace {

namespace fs = std::filesystem;

constexpr int64_t unlimited = std::numeric_limits<int64_t>::max();

// The number that follows a word in such a file.
std::optional<int64_t> number_after(const std::string& word, const fs::path& path) {
    std::ifstream file(path);
    for (std::string found; file >> found;) {
        int64_t value = 0;
        if (found == word && file >> value) return value;
    }
    return std::nullopt;
}

int64_t system_memory() {
    if (const auto kib = number_after("MemAvailable:", "/proc/meminfo")) return *kib * 1024;
    return static_cast<int64_t>(sysconf(_SC_AVPHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

// The names of a group's files.
struct GroupFiles {
    const char *limit, *used, *inactive, *active;
};
constexpr GroupFiles first_version{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
                                   "total_active_file"},
    second_version{"memory.max", "memory.current", "inactive_file", "active_file"};

int64_t left_in(const ControlGroup& group) {
    const GroupFiles& files = group.version == 1 ? first_version : second_version;
    const auto limit = number_in(group.folder / files.limit), used = number_in(group.folder / files.used);
    if (!limit || !used) return unlimited;
    const fs::path statistics = group.folder / "memory.stat";
    const int64_t cached =
        number_after(files.inactive, statistics).value_or(0) + number_after(files.active, statistics).value_or(0);
    return std::max<int64_t>(*limit - *used + cached, 0);
}

// The least that is left in a group or in one of those around it.
int64_t control_group_memory() {
    int64_t left = unlimited;
    for (const ControlGroup& group : control_groups("memory")) left = std::min(left, left_in(group));
    return left;
}

}  // namespace

int64_t available_memory() { return std::min(system_memory(), control_group_memory()); }

ResidentMemory resident_memory() {
    const auto bytes = [](const char* word) { return number_after(word, "/proc/self/status").value_or(0) * 1024; };
    return {.anonymous = bytes("RssAnon:"), .file = bytes("RssFile:")};
}

}  // namespace gremium
