// Files that appear whole or not at all: written beside the target, fsynced, renamed over it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace gremium {

// Write, then commit(). Without commit() the destructor removes the temporary file and the target is untouched.
// Every failure (unreadable directory, full disk) throws Error naming the target path and the system's reason.
class AtomicFile {
  public:
    explicit AtomicFile(std::filesystem::path target);
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;
    ~AtomicFile();

    void write(std::span<const std::byte> bytes);
    void write(std::string_view text);
    size_t size() const { return size_; }  // bytes written so far
    void commit();                         // flush, fsync file, rename, fsync directory

  private:
    void flush();

    std::filesystem::path target_, temporary_;
    std::string buffer_;
    size_t size_ = 0;
    int fd_ = -1;
};

void write_file_atomically(const std::filesystem::path& target, std::string_view text);

// Reads a whole (small) text file. Throws Error naming the path; `max_bytes` bounds memory.
std::string read_text_file(const std::filesystem::path& path, size_t max_bytes = size_t{1} << 30);

// Makes a directory appear atomically: fill `temporary`, then rename it over `target` (which must not exist or is
// replaced). Both must be on one file system. Fsyncs every file in it first.
void commit_directory(const std::filesystem::path& temporary, const std::filesystem::path& target);

}  // namespace gremium
