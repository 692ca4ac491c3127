// Writers of a store that are killed: at each of many system calls on their way, and at any time.
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "base/parallel.h"
#include "base/random.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "tests/versions/version_files.h"
#include "versions/check.h"

namespace gremium::versions {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using Work = std::function<void()>;

// A child has none of the threads that its parent began: it works with one.
int work_alone(const Work& work) {
    set_threads(1);
    try {
        work();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}

// Does the work in a child and kills that at its n-th stop (each system call is two: before it and after); 0: not at
// all. The number of stops it made, −1 where children may not be traced.
int stops_until_killed(const Work& work, int n) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
        ::raise(SIGSTOP);
        ::_exit(work_alone(work));
    }
    int status = 0, stops = 0;
    ::waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) return -1;
    for (;;) {
        ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
        ::waitpid(child, &status, 0);
        if (!WIFSTOPPED(status)) break;
        if (++stops == n) {
            ::kill(child, SIGKILL);
            ::waitpid(child, &status, 0);
            return stops;
        }
    }
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the work failed by itself";
    return stops;
}

class StoreCrash : public testing::Test {
  protected:
    StoreCrash() {
        VersionStore store = create_versions(folder / "whole", base);
        commit_edits(store, "kept", [](Draft& d) { reset(d, {0, 1}, 1); });
        kept = store.head().version;
        // Something for gc: two versions that nothing reaches.
        commit_edits(store, "lost", [](Draft& d) { reset(d, {1, 1}, 2); });
        commit_edits(store, "lost too", [](Draft& d) { reset(d, {2, 1}, 3); });
        const VersionStore::Lock lock(store);
        store.set_branch(lock, "main", kept);
    }

    void begin_again() const {
        fs::remove_all(folder / "store");
        fs::copy(folder / "whole", folder / "store", fs::copy_options::recursive);
        fs::remove(folder / "out.gguf");
    }

    // What must hold whenever a writer has died: everything is readable, and HEAD is what it was or what it was to be.
    // Then the same work succeeds.
    void expect_whole(const std::string& when) {
        VersionStore store(folder / "store");
        ASSERT_THAT(check_store(store).problems, IsEmpty()) << when;
        const std::vector<std::string> log = store.history(store.head().version);
        ASSERT_TRUE(log[0] == kept || store.manifest(log[0]).parent == kept) << when;
        if (fs::exists(folder / "out.gguf")) {
            ASSERT_TRUE(state_of(*load_model(folder / "out.gguf")) == store.state(kept)) << when;
        }
    }

    // At so many moments, evenly over all stops; after each the work can be done again.
    void kill_on_the_way(const Work& work, int moments) {
        begin_again();
        const int stops = stops_until_killed(work, 0);
        if (stops < 0) GTEST_SKIP() << "this system lets no process be traced";
        ASSERT_GT(stops, 20);
        for (int i = 0; i < moments; ++i) {
            const int n = 1 + static_cast<int>(int64_t{i} * stops / moments);
            begin_again();
            stops_until_killed(work, n);
            const std::string when = fmt::format("killed at stop {} of {}", n, stops);
            ASSERT_NO_FATAL_FAILURE(expect_whole(when));
            if (VersionStore(folder / "store").head().version == kept) {
                ASSERT_EQ(work_alone(work), 0) << when;
                ASSERT_NO_FATAL_FAILURE(expect_whole("done again"));
            }
        }
    }

    const Folder folder;
    const fs::path base = write_model(folder / "base.gguf", "mixtral", 1);
    std::string kept;
};

TEST_F(StoreCrash, ACommitKilledOnItsWay) {
    const auto model = edited(open_model_or_version((folder / "whole").string()), [](Draft& d) {
        reset(d, {0, 2}, 8);
        d.layer(1).router_ED[3][0] += 1;
    });
    kill_on_the_way(
        [&] {
            VersionStore store(folder / "store");
            commit(store, *model, {.message = "new"});
        },
        100);
    if (IsSkipped()) return;
    EXPECT_EQ(VersionStore(folder / "store").manifest(VersionStore(folder / "store").head().version).message, "new");
}

TEST_F(StoreCrash, AGcKilledOnItsWay) {
    kill_on_the_way(
        [&] {
            VersionStore store(folder / "store");
            collect_garbage(store);
        },
        50);
    if (IsSkipped()) return;
    VersionStore store(folder / "store");
    EXPECT_EQ(check_store(store).unused, 0);
}

TEST_F(StoreCrash, ACheckoutKilledOnItsWay) {
    kill_on_the_way(
        [&] {
            VersionStore store(folder / "store");
            const auto model = open_version(store, kept);
            save_model(*model, folder / "out.gguf", stored_types(*model, Container::gguf));
            check_out(store, kept);
        },
        50);
    if (IsSkipped()) return;
    EXPECT_EQ(VersionStore(folder / "store").head().branch, "");
}

TEST_F(StoreCrash, AMakingKilledOnItsWay) {
    const auto work = [&] { create_versions(folder / "new", base); };
    const int stops = stops_until_killed(work, 0);
    if (stops < 0) GTEST_SKIP() << "this system lets no process be traced";
    for (int i = 0; i < 40; ++i) {
        fs::remove_all(folder / "new");
        stops_until_killed(work, 1 + i * stops / 40);
        if (!fs::exists(folder / "new")) continue;
        VersionStore store(folder / "new");
        ASSERT_THAT(check_store(store).problems, IsEmpty()) << "killed at stop " << 1 + i * stops / 40;
    }
}

// One store, no repairs between: versions are committed and collected until a hundred writers have been killed.
TEST_F(StoreCrash, AHundredWritersKilledAtAnyTime) {
    begin_again();
    Random random(static_cast<uint64_t>(::getpid()));
    const auto work = [&](uint64_t round) {
        VersionStore store(folder / "store");
        for (uint64_t i = 0;; ++i) {
            commit_edits(store, "round", [&](Draft& d) { reset(d, {0, static_cast<int>(i % 4)}, 100 * round + i); });
            if (i % 3 == 2) check_out(store, "HEAD~2");
            collect_garbage(store);
            check_out(store, "main");
        }
    };
    for (uint64_t round = 0; round < 100; ++round) {
        const pid_t child = ::fork();
        if (child == 0) ::_exit(work_alone([&] { work(round); }));
        ::usleep(static_cast<useconds_t>(random.below(30000)));
        ::kill(child, SIGKILL);
        int status = 0;
        ::waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status)) << "a writer failed after " << round << " kills";
        if (round % 5 != 4) continue;
        VersionStore store(folder / "store");
        ASSERT_THAT(check_store(store).problems, IsEmpty()) << "after " << round + 1 << " kills";
        ASSERT_GE(store.history(store.branches().at("main")).size(), 2u);
    }
}

}  // namespace
}  // namespace gremium::versions
