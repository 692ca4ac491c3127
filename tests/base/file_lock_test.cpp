#include "base/file_lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <csignal>
#include <optional>

#include "base/error.h"
#include "tests/temporary_directory.h"

namespace gremium {
namespace {

using Kind = FileLock::Kind;
constexpr std::chrono::seconds at_once(0), while_away(20);

TEST(FileLock, IsOneProgramsOrManyReaders) {
    const test::TemporaryDirectory folder;
    const auto path = folder / "lock";
    std::optional<FileLock> held(std::in_place, path, Kind::exclusive, at_once, "busy");
    EXPECT_THROW(FileLock(path, Kind::exclusive, at_once, "busy"), Error);
    EXPECT_THROW(FileLock(path, Kind::shared, at_once, "busy"), Error);
    held.reset();
    const FileLock one(path, Kind::shared, at_once, "busy"), two(path, Kind::shared, at_once, "busy");
    EXPECT_THROW(FileLock(path, Kind::exclusive, at_once, "busy"), Error);
}

TEST(FileLock, GoesWithItsHolderHoweverThatEnds) {
    const test::TemporaryDirectory folder;
    const auto path = folder / "lock";
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const FileLock held(path, Kind::exclusive, at_once, "busy");
        if (::write(ready[1], "x", 1) != 1) ::_exit(1);
        for (;;) ::pause();
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    EXPECT_THROW(FileLock(path, Kind::exclusive, at_once, "busy"), Error);
    ::kill(child, SIGKILL);
    const FileLock waited(path, Kind::exclusive, while_away, "busy");
    ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace gremium
