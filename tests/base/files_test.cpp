#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/mapped_file.h"

namespace gremium {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
  protected:
    void SetUp() override {
        directory = fs::temp_directory_path() /
                    fmt::format("gremium-base-{}-{}", ::getpid(), testing::UnitTest::GetInstance()->random_seed());
        fs::remove_all(directory);
        fs::create_directories(directory);
    }
    void TearDown() override { fs::remove_all(directory); }
    size_t entries() const {
        return static_cast<size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
    }
    fs::path directory;
};

TEST_F(Files, AtomicFileAppearsWholeOnCommit) {
    const fs::path path = directory / "f";
    {
        AtomicFile file(path);
        file.write(std::string(3'000'000, 'a'));  // more than its buffer
        file.write("end");
        EXPECT_EQ(file.size(), 3'000'003u);
        EXPECT_FALSE(fs::exists(path));
        file.commit();
    }
    EXPECT_EQ(read_text_file(path), std::string(3'000'000, 'a') + "end");
    EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, AtomicFileWithoutCommitLeavesTheOldContent) {
    const fs::path path = directory / "f";
    write_file_atomically(path, "old");
    { AtomicFile(path).write("new"); }
    EXPECT_EQ(read_text_file(path), "old");
    EXPECT_EQ(entries(), 1u);
}

// A child with a file size limit sees what a full disk shows: write fails half-way.
TEST_F(Files, FailedWriteNamesTheFileAndLeavesTheOldContent) {
    const fs::path path = directory / "f";
    write_file_atomically(path, "old");
    const pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{1 << 20, 1 << 20};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        int code = 1;
        try {
            write_file_atomically(path, std::string(5 << 20, 'x'));
        } catch (const Error& error) {
            code = std::string(error.what()).find(path.string() + ": cannot write") == 0 ? 0 : 2;
        }
        ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(read_text_file(path), "old");
    EXPECT_EQ(entries(), 1u) << "the temporary file stayed behind";
}

TEST_F(Files, UnwritableDirectoryIsOneClearLine) {
    EXPECT_THAT([&] { write_file_atomically(directory / "none" / "f", "x"); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("none/f: cannot write: No such file")));
}

TEST_F(Files, MapsContentAndMoves) {
    write_file_atomically(directory / "f", "content");
    MappedFile file(directory / "f");
    MappedFile moved(std::move(file));
    ASSERT_EQ(moved.bytes().size(), 7u);
    EXPECT_EQ(static_cast<char>(moved.bytes()[2]), 'n');
    write_file_atomically(directory / "empty", "");
    EXPECT_TRUE(MappedFile(directory / "empty").bytes().empty());
}

TEST_F(Files, MissingFilesAndDirectoriesAreErrors) {
    EXPECT_THAT([&] { MappedFile(directory / "no"); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("no: cannot open")));
    EXPECT_THAT([&] { MappedFile{directory}; },
                testing::ThrowsMessage<Error>(testing::HasSubstr("not a regular file")));
    EXPECT_THROW(read_text_file(directory), Error);
    write_file_atomically(directory / "f", "12345");
    EXPECT_THROW(read_text_file(directory / "f", 4), Error);
}

TEST_F(Files, CommitDirectoryReplacesWhole) {
    fs::create_directories(directory / "new" / "sub");
    std::ofstream(directory / "new" / "sub" / "a") << "1";
    fs::create_directories(directory / "target");
    std::ofstream(directory / "target" / "b") << "2";
    commit_directory(directory / "new", directory / "target");
    EXPECT_EQ(read_text_file(directory / "target" / "sub" / "a"), "1");
    EXPECT_FALSE(fs::exists(directory / "target" / "b"));
    EXPECT_EQ(entries(), 1u);
}

}  // namespace
}  // namespace gremium
