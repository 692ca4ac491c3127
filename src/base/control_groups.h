// The control groups around this process, of the first and the second version of the kernel's interface.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace gremium {

struct ControlGroup {
    std::filesystem::path folder;
    int version;
};

// Those that a controller of the first version knows and those of the second, each with the groups around it. `root`
// holds proc and sys. Folders that are not there, as within a container, may be among them.
std::vector<ControlGroup> control_groups(std::string_view controller, const std::filesystem::path& root = "/");

// The number a file of the kernel starts with; none when it is missing or says "max".
std::optional<int64_t> number_in(const std::filesystem::path& path);

}  // namespace gremium
