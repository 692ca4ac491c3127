#include "base/usable_cpus.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/control_groups.h"
#include "tests/temporary_directory.h"

namespace gremium {
namespace {

// A tree in place of the kernel's.
class Root {
  public:
    Root& write(const std::string& path, const std::string& text) {
        std::filesystem::create_directories((directory_ / path).parent_path());
        std::ofstream(directory_ / path) << text << '\n';
        return *this;
    }
    int cpus() const { return usable_cpus(directory_.path()); }
    const std::filesystem::path& path() const { return directory_.path(); }

  private:
    test::TemporaryDirectory directory_;
};

int by_affinity() {
    cpu_set_t set;
    sched_getaffinity(0, sizeof(set), &set);
    return CPU_COUNT(&set);
}

TEST(UsableCpus, AreThoseOfTheAffinityWithoutQuotas) {
    EXPECT_EQ(Root().cpus(), by_affinity());
    Root none;
    none.write("proc/self/cgroup", "0::/a/b").write("sys/fs/cgroup/a/b/cpu.max", "max 100000");
    none.write("sys/fs/cgroup/a/cpu.max", "nonsense");
    EXPECT_EQ(none.cpus(), by_affinity());
    EXPECT_LE(usable_cpus(), by_affinity());
    EXPECT_GE(usable_cpus(), 1);
}

TEST(UsableCpus, KnowTheQuotasOfBothVersions) {
    Root second;
    second.write("proc/self/cgroup", "0::/a/b").write("sys/fs/cgroup/a/b/cpu.max", "max 100000");
    second.write("sys/fs/cgroup/a/cpu.max", "50000 100000");  // of a group around it
    EXPECT_EQ(second.cpus(), 1);
    Root first;
    first.write("proc/self/cgroup", "5:memory:/m\n4:cpuacct,cpu:/docker/x\n0::/")
        .write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "20000");
    first.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");  // a container sees its group as the root
    EXPECT_EQ(first.cpus(), 1);
    first.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1");
    EXPECT_EQ(first.cpus(), by_affinity());
}

TEST(UsableCpus, CountAQuarterOfOneAsOne) {
    if (by_affinity() < 2) GTEST_SKIP() << "needs two CPUs";
    Root root;
    root.write("proc/self/cgroup", "0::/");
    for (const auto& [quota, cpus] : {std::pair{"1000 100000", 1},
                                      {"100000 100000", 1},
                                      {"120000 100000", 1},
                                      {"125000 100000", 2},
                                      {"150000 100000", 2},
                                      {"200000 100000", 2}}) {
        root.write("sys/fs/cgroup/cpu.max", quota);
        EXPECT_EQ(root.cpus(), cpus) << quota;
    }
}

TEST(ControlGroups, AreListedFromTheInnermostOutwards) {
    Root root;
    root.write("proc/self/cgroup", "7:cpu,cpuacct:/a/b\n6:cpuset:/c\n0::/d");
    std::vector<std::string> folders;
    for (const ControlGroup& group : control_groups("cpu", root.path()))
        folders.push_back(group.folder.lexically_relative(root.path()).string() + " " + std::to_string(group.version));
    EXPECT_EQ(folders, (std::vector<std::string>{"sys/fs/cgroup/cpu/a/b 1", "sys/fs/cgroup/cpu/a 1",
                                                 "sys/fs/cgroup/cpu 1", "sys/fs/cgroup/d 2", "sys/fs/cgroup 2"}));
}

}  // namespace
}  // namespace gremium
