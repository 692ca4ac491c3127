#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "base/error.h"

namespace gremium {

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail("{}: cannot open: {}", path.string(), std::strerror(errno));
    struct stat info {};
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        ::close(fd);
        fail("{}: not a regular file", path.string());
    }
    size_ = static_cast<size_t>(info.st_size);
    if (size_ > 0) {
        void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            const int reason = errno;
            ::close(fd);
            fail("{}: cannot map {} bytes: {}", path.string(), size_, std::strerror(reason));
        }
        data_ = static_cast<const std::byte*>(data);
        // Where the file system keeps large folios, pages of 2 MiB: weights are read at the speed of memory, and the
        // addresses' translation would take a fifth of it. Advice: elsewhere nothing changes.
        ::madvise(data, size_, MADV_HUGEPAGE);
    }
    ::close(fd);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

MappedFile::~MappedFile() {
    if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::advise(Advice advice, size_t offset, size_t size) const {
    if (!data_ || offset >= size_) return;
    const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const size_t begin = offset / page * page, end = std::min(size_, offset + size);
    constexpr int advices[] = {MADV_WILLNEED, MADV_DONTNEED, MADV_RANDOM, MADV_SEQUENTIAL};
    ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, advices[static_cast<int>(advice)]);
}

std::optional<FilePart> find_part(const MappedFiles& files, std::span<const std::byte> bytes) {
    for (const auto& file : files) {
        const std::span<const std::byte> all = file->bytes();
        const std::less_equal<const std::byte*> before;
        if (!before(all.data(), bytes.data()) || !before(bytes.data() + bytes.size(), all.data() + all.size()))
            continue;
        return FilePart{file.get(), static_cast<size_t>(bytes.data() - all.data()), bytes.size()};
    }
    return std::nullopt;
}

}  // namespace gremium
