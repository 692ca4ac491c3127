#include "base/printable.h"

#include <fmt/format.h>

#include <algorithm>

namespace gremium {
namespace {

struct Character {
    char32_t code;
    size_t bytes;
    bool valid;
};

Character first_character(std::string_view text) {
    const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = at(0);
    const size_t bytes = lead < 0x80 ? 1 : lead >= 0xC2 && lead < 0xE0 ? 2 : lead >= 0xE0 && lead < 0xF0 ? 3 : 4;
    if (bytes == 1) return {lead, 1, true};
    if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {lead, 1, false};
    char32_t code = lead & (0xFF >> (bytes + 1));
    for (size_t i = 1; i < bytes; ++i) {
        if ((at(i) & 0xC0) != 0x80) return {lead, 1, false};
        code = code << 6 | (at(i) & 0x3F);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool valid = code >= least[bytes] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    return {valid ? code : lead, valid ? bytes : 1, valid};
}

bool is_printable(const Character& c) {
    constexpr std::pair<char32_t, char32_t> others[] = {{0, 0x1F},        {0x7F, 0x9F},     {0x61C, 0x61C},
                                                        {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}};
    return c.valid &&
           std::ranges::none_of(others, [&](auto range) { return c.code >= range.first && c.code <= range.second; });
}

std::string escaped(const Character& c) {
    if (c.code == '\n') return "\\n";
    return c.code < 0x80 || !c.valid ? fmt::format("\\x{:02x}", static_cast<unsigned>(c.code))
                                     : fmt::format("\\u{:04x}", static_cast<unsigned>(c.code));
}

}  // namespace

size_t first_unprintable(std::string_view text) {
    for (size_t at = 0; at < text.size();) {
        const Character c = first_character(text.substr(at));
        if (!is_printable(c)) return at;
        at += c.bytes;
    }
    return std::string_view::npos;
}

std::string printable(std::string_view text) {
    std::string shown;
    while (!text.empty()) {
        const Character c = first_character(text);
        shown += is_printable(c) ? std::string(text.substr(0, c.bytes)) : escaped(c);
        text.remove_prefix(c.bytes);
    }
    return shown;
}

std::string first_line(std::string_view text, size_t most) {
    const std::string line = printable(text.substr(0, text.find('\n')));
    size_t at = 0;
    for (size_t characters = 0; at < line.size() && characters < most; ++characters)
        at += first_character(std::string_view(line).substr(at)).bytes;
    return at < line.size() ? line.substr(0, at) + "…" : line;
}

}  // namespace gremium
