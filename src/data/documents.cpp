#include "data/documents.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "base/hash.h"
#include "data/files.h"

namespace gremium::data {
namespace {

constexpr size_t longest_document = size_t{1} << 20;

// Where the line begins that is nearest behind `at`, or else before it; in a text of one line, the next character.
size_t line_near(std::string_view text, size_t at) {
    if (at == 0) return 0;
    const size_t next = text.find('\n', at - 1);
    if (next != std::string_view::npos && next + 1 < text.size()) return next + 1;
    const size_t previous = text.rfind('\n', at - 1);
    if (previous != std::string_view::npos && previous + 1 < text.size()) return previous + 1;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    return at;
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
    for (const std::filesystem::path& path : files_of(patterns)) files_.emplace_back(path);
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

Split split_end(std::span<const std::string_view> documents, double share) {
    size_t total = 0;
    for (const std::string_view document : documents) total += document.size();
    auto left = static_cast<size_t>(static_cast<double>(total) * (1 - share));  // bytes to train on
    Split split;
    for (const std::string_view document : documents) {
        const size_t cut = left < document.size() ? line_near(document, left) : document.size();
        if (cut > 0) split.train.push_back(document.substr(0, cut));
        if (cut < document.size()) split.heldout.push_back(document.substr(cut));
        left -= std::min(left, document.size());
    }
    if (!split.train.empty()) return split;
    return {{documents.begin(), documents.end()}, {}};
}

}  // namespace gremium::data
