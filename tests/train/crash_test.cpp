// Training that is killed, and training that runs out of disk.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

#include "base/error.h"
#include "base/random.h"
#include "tests/train/toy_run.h"
#include "train/checkpoint.h"

namespace gremium::train {
namespace {

// Runs `body` in a child, which has none of the threads that its parent may have begun; hence one thread below.
template <typename Body>
pid_t in_child(Body body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body());
    return child;
}

int status_of(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

TrainConfig crash_recipe(const ScratchDirectory& dir, const std::string& output) {
    return toy_recipe(dir, output,
                      {"train.threads=1", "train.steps=60", "train.checkpoint_every=2", "train.eval_every=0"});
}

int train_quietly(const TrainConfig& config) {
    try {
        TrainObserver quiet;
        train(config, {.resume = true}, quiet);
        return 0;
    } catch (const Error&) {
        return 1;
    }
}

TEST(TrainingCrash, KilledAtAnyMomentAndResumedIsBitIdentical) {
    const ScratchDirectory dir;
    const TrainConfig whole = crash_recipe(dir, "whole"), killed = crash_recipe(dir, "killed");
    ASSERT_EQ(status_of(in_child([&] { return train_quietly(whole); })), 0);

    Random random(static_cast<uint64_t>(::getpid()));
    int kills = 0;
    for (int status = -1; status != 0 && kills < 200;) {
        const pid_t child = in_child([&] { return train_quietly(killed); });
        // Longer and longer lives, so that the run ends however slow the machine is.
        ::usleep(static_cast<useconds_t>(random.below(20000 + 10000 * static_cast<uint64_t>(kills))));
        ::kill(child, SIGKILL);
        status = status_of(child);
        ASSERT_TRUE(status == 0 || WIFSIGNALED(status)) << "a resumed run failed after " << kills << " kills";
        kills += status != 0;
    }
    EXPECT_GT(kills, 2);
    const auto one = newest_checkpoint(whole.output.dir), two = newest_checkpoint(killed.output.dir);
    ASSERT_TRUE(one && two);
    EXPECT_EQ(two->step, 60);
    EXPECT_TRUE(checkpoint_bytes(one->path) == checkpoint_bytes(two->path)) << "after " << kills << " kills";
}

// A limit on file sizes stands in for the full disk: writing beyond it fails as ENOSPC does.
TEST(TrainingCrash, AFullDiskLeavesEarlierCheckpointsAlone) {
    const ScratchDirectory dir;
    const TrainConfig config = crash_recipe(dir, "out");
    TrainConfig start = config;
    start.train.steps = 4;
    ASSERT_EQ(status_of(in_child([&] { return train_quietly(start); })), 0);
    const auto before = newest_checkpoint(config.output.dir);
    ASSERT_TRUE(before);
    const std::string bytes = checkpoint_bytes(before->path);

    const int status = status_of(in_child([&] {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{20000, 20000};  // the model alone is larger
        ::setrlimit(RLIMIT_FSIZE, &limit);
        return train_quietly(config);
    }));
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 1);
    const auto after = newest_checkpoint(config.output.dir);
    ASSERT_TRUE(after);
    EXPECT_EQ(after->path, before->path);
    EXPECT_TRUE(checkpoint_bytes(after->path) == bytes);
    for (const auto& entry : std::filesystem::directory_iterator(config.output.dir)) {
        EXPECT_NE(entry.path().filename().string()[0], '.') << entry.path();
    }
}

}  // namespace
}  // namespace gremium::train
