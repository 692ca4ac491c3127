// What a fuzz target is: one function in targets/NAME.cpp, given any bytes. Error is an answer like another; whatever
// else ends the program is a finding: what the sanitizers stop, another exception, an error that is not one line, or
// require().
#pragma once

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gremium::fuzz {

void run(std::span<const std::byte> input);

inline void require(bool holds) {
    if (!holds) std::abort();
}

inline std::string_view text_of(std::span<const std::byte> input) {
    return {reinterpret_cast<const char*>(input.data()), input.size()};
}

// The parts between zero bytes, the last of which has the rest: at least `count`, missing ones empty.
std::vector<std::string_view> parts_of(std::span<const std::byte> input, size_t count);

// A folder of this process for readers that want a file, below TMPDIR, which had better be in memory. It is removed at
// the end of the process.
class Folder {
  public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::filesystem::path put(const std::string& name, std::string_view content) const;
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

}  // namespace gremium::fuzz
