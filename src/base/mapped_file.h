// Read-only memory maps of whole files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace gremium {

// Owns a read-only private map, of huge pages where the file system has them. An empty file maps to an empty span.
// Throws Error naming the path.
class MappedFile {
  public:
    MappedFile() = default;
    explicit MappedFile(const std::filesystem::path& path);
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    ~MappedFile();

    std::span<const std::byte> bytes() const { return {data_, size_}; }
    const std::filesystem::path& path() const { return path_; }

    // Tells the kernel how the pages in [offset, offset + size) will be used; advice only, never fails.
    enum class Advice { will_need, dont_need, random, sequential };
    void advise(Advice advice, size_t offset, size_t size) const;

  private:
    std::filesystem::path path_;
    const std::byte* data_ = nullptr;
    size_t size_ = 0;
};

using MappedFiles = std::vector<std::shared_ptr<const MappedFile>>;

// Neighbouring bytes of a file.
struct FilePart {
    const MappedFile* file;
    size_t offset, bytes;
};

// Which part of the files these bytes are a view of; nothing where they lie elsewhere in memory.
std::optional<FilePart> find_part(const MappedFiles& files, std::span<const std::byte> bytes);

}  // namespace gremium
