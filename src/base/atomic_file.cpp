#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace gremium {
namespace {

constexpr size_t buffer_bytes = size_t{1} << 20;

void sync_path(const std::filesystem::path& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
    if (fd < 0) fail("{}: cannot open: {}", path.string(), std::strerror(errno));
    const int result = ::fsync(fd);
    const int reason = errno;
    ::close(fd);
    if (result != 0) fail("{}: cannot flush to disk: {}", path.string(), std::strerror(reason));
}

std::filesystem::path parent_of(const std::filesystem::path& path) {
    return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)) {
    temporary_ = target_;
    temporary_ += fmt::format(".tmp-{}", ::getpid());
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd_ < 0) fail("{}: cannot write: {}", target_.string(), std::strerror(errno));
    buffer_.reserve(buffer_bytes);
}

AtomicFile::~AtomicFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
    write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void AtomicFile::write(std::string_view text) {
    size_ += text.size();
    while (!text.empty()) {
        const std::string_view part = text.substr(0, buffer_bytes - buffer_.size());
        buffer_.append(part);
        text.remove_prefix(part.size());
        if (buffer_.size() == buffer_bytes) flush();
    }
}

void AtomicFile::flush() {
    for (size_t done = 0; done < buffer_.size();) {
        const ssize_t n = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail("{}: cannot write: {}", target_.string(), std::strerror(errno));
        done += static_cast<size_t>(n);
    }
    buffer_.clear();
}

void AtomicFile::commit() {
    flush();
    if (::fsync(fd_) != 0) fail("{}: cannot flush to disk: {}", target_.string(), std::strerror(errno));
    if (::close(std::exchange(fd_, -1)) != 0) {
        const int reason = errno;
        ::unlink(temporary_.c_str());
        fail("{}: cannot write: {}", target_.string(), std::strerror(reason));
    }
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
        const int reason = errno;
        ::unlink(temporary_.c_str());
        fail("{}: cannot put the finished file in place: {}", target_.string(), std::strerror(reason));
    }
    sync_path(parent_of(target_), O_RDONLY | O_DIRECTORY);
}

void write_file_atomically(const std::filesystem::path& target, std::string_view text) {
    AtomicFile file(target);
    file.write(text);
    file.commit();
}

std::string read_text_file(const std::filesystem::path& path, size_t max_bytes) {
    // Standard input may be a socket, which cannot be opened by that name.
    const int fd =
        path == "/dev/stdin" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail("{}: not a readable file: {}", path.string(), std::strerror(errno));
    std::string text;
    std::string reason;
    // A pipe has no size, and that of a file may change.
    for (size_t size = 0;;) {
        text.resize(size + std::clamp(size, size_t{1} << 16, buffer_bytes));
        const ssize_t n = ::read(fd, text.data() + size, text.size() - size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) reason = fmt::format("cannot read: {}", std::strerror(errno));
        if (n > 0) size += static_cast<size_t>(n);
        if (size > max_bytes) reason = fmt::format("more than {} bytes, at most that many expected", max_bytes);
        if (n > 0 && reason.empty()) continue;
        text.resize(size);
        break;
    }
    ::close(fd);
    if (!reason.empty()) fail("{}: {}", path.string(), reason);
    return text;
}

void commit_directory(const std::filesystem::path& temporary, const std::filesystem::path& target) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(temporary)) {
        sync_path(entry.path(), entry.is_directory() ? O_RDONLY | O_DIRECTORY : O_RDONLY);
    }
    sync_path(temporary, O_RDONLY | O_DIRECTORY);
    std::error_code error;
    std::filesystem::path old;
    if (std::filesystem::exists(target)) {
        // A directory cannot be renamed over a non-empty one: step the old one aside first.
        old = target;
        old += ".old";
        std::filesystem::remove_all(old, error);
        std::filesystem::rename(target, old, error);
        if (error) fail("{}: cannot replace: {}", target.string(), error.message());
    }
    std::filesystem::rename(temporary, target, error);
    if (error) fail("{}: cannot put the finished directory in place: {}", target.string(), error.message());
    sync_path(parent_of(target), O_RDONLY | O_DIRECTORY);
    if (!old.empty()) std::filesystem::remove_all(old, error);
}

}  // namespace gremium
