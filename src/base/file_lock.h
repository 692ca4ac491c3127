// What one program at a time may do.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

namespace gremium {

// A lock on a file, which the system gives back when the program ends, however it ends.
class FileLock {
  public:
    // Shared: beside others that only read; needs no right to write.
    enum class Kind : uint8_t { exclusive, shared };
    // Makes the file if it is not there. While others hold the lock it waits so long; then Error: `busy`.
    FileLock(const std::filesystem::path& file, Kind kind, std::chrono::seconds patience, const std::string& busy);
    ~FileLock();
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;

  private:
    int fd_;
};

}  // namespace gremium
