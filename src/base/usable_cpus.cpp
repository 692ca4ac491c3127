#include "base/usable_cpus.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <vector>

#include <sched.h>

#include "base/control_groups.h"

namespace gremium {
namespace {

namespace fs = std::filesystem;

int cpus_of_affinity() {
    // The kernel refuses a set that is smaller than its own.
    for (int most = CPU_SETSIZE; most <= 64 * CPU_SETSIZE; most *= 2) {
        std::vector<cpu_set_t> set(static_cast<size_t>(most / CPU_SETSIZE));
        const size_t bytes = set.size() * sizeof(cpu_set_t);
        if (sched_getaffinity(0, bytes, set.data()) == 0) return std::max(1, CPU_COUNT_S(bytes, set.data()));
    }
    return 1;
}

// CPUs whose time a group may take; none: all.
std::optional<double> quota(const ControlGroup& group) {
    int64_t time = 0, period = 0;
    if (group.version == 2) {
        std::ifstream file(group.folder / "cpu.max");
        if (!(file >> time >> period)) return std::nullopt;
    } else {
        time = number_in(group.folder / "cpu.cfs_quota_us").value_or(0);
        period = number_in(group.folder / "cpu.cfs_period_us").value_or(0);
    }
    if (time <= 0 || period <= 0) return std::nullopt;
    return static_cast<double>(time) / static_cast<double>(period);
}

}  // namespace

int usable_cpus(const fs::path& root) {
    double cpus = cpus_of_affinity();
    for (const ControlGroup& group : control_groups("cpu", root)) cpus = std::min(cpus, quota(group).value_or(cpus));
    return std::max(1, static_cast<int>(cpus + 0.75));
}

}  // namespace gremium
