#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/error.h"

namespace gremium {
namespace {

// For writing too: over NFS only such files take exclusive locks. What may not be written may still be read.
int open_lock(const std::filesystem::path& file) {
    const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 || (errno != EACCES && errno != EROFS)) return fd;
    return ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& file, Kind kind, std::chrono::seconds patience, const std::string& busy)
    : fd_(open_lock(file)) {
    using Clock = std::chrono::steady_clock;
    constexpr auto pause = std::chrono::milliseconds(20);
    if (fd_ < 0) fail("{}: cannot open: {}", file.string(), std::strerror(errno));
    const int how = (kind == Kind::shared ? LOCK_SH : LOCK_EX) | LOCK_NB;
    for (const auto end = Clock::now() + patience; ::flock(fd_, how) != 0; std::this_thread::sleep_for(pause)) {
        const int reason = errno;
        if (reason == EINTR || (reason == EWOULDBLOCK && Clock::now() < end)) continue;
        ::close(fd_);
        if (reason == EWOULDBLOCK) fail("{}", busy);
        fail("{}: cannot be locked: {}", file.string(), std::strerror(reason));
    }
}

FileLock::~FileLock() { ::close(fd_); }

}  // namespace gremium
