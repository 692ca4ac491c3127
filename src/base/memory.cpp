#include "base/memory.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace gremium {
namespace {

namespace fs = std::filesystem;

constexpr int64_t unlimited = std::numeric_limits<int64_t>::max();

// The number a file of the kernel starts with; none when it is missing or says "max".
std::optional<int64_t> number_in(const fs::path& path) {
    std::ifstream file(path);
    int64_t value = 0;
    if (!(file >> value)) return std::nullopt;
    return value;
}

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

// Control groups of the first or the second version.
struct GroupFiles {
    std::string entry;  // of /proc/self/cgroup
    fs::path mounted;
    const char *limit, *used, *inactive, *active;
};

int64_t left_in(const fs::path& group, const GroupFiles& files) {
    const auto limit = number_in(group / files.limit), used = number_in(group / files.used);
    if (!limit || !used) return unlimited;
    const fs::path statistics = group / "memory.stat";
    const int64_t cached =
        number_after(files.inactive, statistics).value_or(0) + number_after(files.active, statistics).value_or(0);
    return std::max<int64_t>(*limit - *used + cached, 0);
}

// The least that is left in a group or in one of those around it.
int64_t left_in_groups(const GroupFiles& files) {
    std::ifstream groups("/proc/self/cgroup");
    int64_t left = unlimited;
    for (std::string line; std::getline(groups, line);) {
        const size_t found = line.find(files.entry);
        if (found == std::string::npos) continue;
        fs::path group = fs::path(line.substr(found + files.entry.size())).relative_path();
        for (; !group.empty(); group = group.parent_path())
            left = std::min(left, left_in(files.mounted / group, files));
        left = std::min(left, left_in(files.mounted, files));
    }
    return left;
}

int64_t control_group_memory() {
    return std::min(
        left_in_groups({"0::", "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file", "active_file"}),
        left_in_groups({":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                        "total_inactive_file", "total_active_file"}));
}

}  // namespace

int64_t available_memory() { return std::min(system_memory(), control_group_memory()); }

ResidentMemory resident_memory() {
    const auto bytes = [](const char* word) { return number_after(word, "/proc/self/status").value_or(0) * 1024; };
    return {.anonymous = bytes("RssAnon:"), .file = bytes("RssFile:")};
}

}  // namespace gremium
