#include "data/documents.h"

#include <glob.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "base/error.h"
#include "base/hash.h"

namespace gremium::data {
namespace {

constexpr size_t longest_document = size_t{1} << 20;

std::vector<std::string> matches(const std::string& pattern) {
    glob_t found{};
    const int result = ::glob(pattern.c_str(), 0, nullptr, &found);
    std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);  // glob sorts them
    ::globfree(&found);
    if (result != 0 || paths.empty()) fail("{}: no such file", pattern);
    return paths;
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

std::vector<std::string_view> documents_of(std::string_view text, size_t longest) {
    std::vector<std::string_view> documents;
    while (!text.empty()) {
        const size_t end = text.find('\0');
        size_t length = std::min(end, text.size());
        if (length > longest) {
            const size_t line = text.rfind('\n', longest - 1);
            length = line == std::string_view::npos || line == 0 ? longest : line + 1;
            documents.push_back(text.substr(0, length));
            text.remove_prefix(length);
            continue;
        }
        if (length > 0) documents.push_back(text.substr(0, length));
        text.remove_prefix(end == std::string_view::npos ? length : length + 1);
    }
    return documents;
}

Documents::Documents(std::span<const std::string> patterns, const TextNote& note) {
    for (const std::string& pattern : patterns) {
        for (const std::string& path : matches(pattern)) files_.emplace_back(path);
    }
    for (const MappedFile& file : files_) {
        const auto bytes = file.bytes();
        std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (auto changed = decode_text(text, file.path().string(), {.nul = true, .note = note}))
            text = decoded_.emplace_back(std::move(*changed));
        std::ranges::copy(documents_of(text, longest_document), std::back_inserter(documents_));
    }
}

std::string Documents::hash() const {
    std::string hashes;
    for (const MappedFile& file : files_) hashes += content_hash(file.bytes());
    return content_hash(bytes_of(hashes));
}

Split split_documents(std::span<const std::string_view> documents, double share) {
    Split split;
    for (const std::string_view document : documents) {
        const std::string hash = content_hash(bytes_of(document));
        uint64_t value = 0;
        std::from_chars(hash.data(), hash.data() + 13, value, 16);  // 52 bits: exact as a double
        const bool held_out = static_cast<double>(value) < share * 0x1p52;
        (held_out ? split.heldout : split.train).push_back(document);
    }
    return split;
}

}  // namespace gremium::data
