#include "base/control_groups.h"

#include <fstream>
#include <string>

namespace gremium {
namespace {

namespace fs = std::filesystem;

// Whether `word` is one of a list with commas.
bool lists(std::string_view list, std::string_view word) {
    for (;;) {
        const size_t comma = list.find(',');
        if (list.substr(0, comma) == word) return true;
        if (comma == std::string_view::npos) return false;
        list.remove_prefix(comma + 1);
    }
}

}  // namespace

std::vector<ControlGroup> control_groups(std::string_view controller, const fs::path& root) {
    std::vector<ControlGroup> all;
    std::ifstream entries(root / "proc/self/cgroup");
    for (std::string line; std::getline(entries, line);) {  // number:controllers:path
        const size_t first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
        const int version = controllers.empty() ? 2 : 1;
        if (version == 1 && !lists(controllers, controller)) continue;
        fs::path mounted = root / "sys/fs/cgroup";
        if (version == 1) mounted /= controller;
        fs::path group = fs::path(line.substr(second + 1)).relative_path();
        for (; !group.empty(); group = group.parent_path()) all.push_back({mounted / group, version});
        all.push_back({mounted, version});
    }
    return all;
}

std::optional<int64_t> number_in(const fs::path& path) {
    std::ifstream file(path);
    int64_t value = 0;
    if (!(file >> value)) return std::nullopt;
    return value;
}

}  // namespace gremium
