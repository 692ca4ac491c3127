#include "fuzz/target.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "base/error.h"

namespace gremium::fuzz {
namespace {

constexpr size_t longest_message = 4096;

bool is_one_line(std::string_view message) {
    return !message.empty() && message.size() <= longest_message &&
           std::ranges::none_of(message, [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

}  // namespace

std::vector<std::string_view> parts_of(std::span<const std::byte> input, size_t count) {
    std::string_view left = text_of(input);
    std::vector<std::string_view> parts(count);
    for (size_t i = 0; i < count; ++i) {
        parts[i] = i + 1 == count ? left : left.substr(0, left.find('\0'));
        left.remove_prefix(std::min(left.size(), parts[i].size() + 1));
    }
    return parts;
}

Folder::Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "gremium-fuzz-XXXXXX").string();
    require(mkdtemp(name.data()) != nullptr);
    path_ = name;
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path Folder::put(const std::string& name, std::string_view content) const {
    const std::filesystem::path file = path_ / name;
    std::FILE* out = std::fopen(file.c_str(), "wb");
    require(out && std::fwrite(content.data(), 1, content.size(), out) == content.size() && std::fclose(out) == 0);
    return file;
}

}  // namespace gremium::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    try {
        gremium::fuzz::run(std::as_bytes(std::span(data, size)));
    } catch (const gremium::Error& error) {
        if (!gremium::fuzz::is_one_line(error.what())) {
            std::fprintf(stderr, "an error that is not one line: %s\n", error.what());
            std::abort();
        }
    }
    return 0;
}
