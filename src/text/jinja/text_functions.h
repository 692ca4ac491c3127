// Python's functions on strings, as far as templates use them. Case is ASCII's: what lies above stays as it
// is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace gremium::jinja {

inline constexpr std::string_view ascii_space = " \t\n\r\v\f";
inline constexpr std::string_view white_space =
    " \t\n\r\v\f\x1C\x1D\x1E\x1F\u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200A"
    "\u2028\u2029\u202F\u205F\u3000";

// Takes the UTF-8 characters that are among `characters` off the ends.
inline std::string_view strip(std::string_view text, std::string_view characters, bool left, bool right) {
    const auto continues = [&](size_t i) { return i < text.size() && (text[i] & 0xC0) == 0x80; };
    while (left && !text.empty()) {
        size_t size = 1;
        while (continues(size)) ++size;
        if (characters.find(text.substr(0, size)) == characters.npos) break;
        text.remove_prefix(size);
    }
    while (right && !text.empty()) {
        size_t begin = text.size() - 1;
        while (begin > 0 && continues(begin)) --begin;
        if (characters.find(text.substr(begin)) == characters.npos) break;
        text = text.substr(0, begin);
    }
    return text;
}

inline int64_t character_count(std::string_view text) {
    return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

inline std::string upper(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return result;
}

inline std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return result;
}

inline std::string capitalized(std::string_view text) {
    return upper(text.substr(0, 1)) + lower(text.substr(std::min<size_t>(1, text.size())));
}

// Every word capitalised.
inline std::string title(std::string_view text) {
    std::string result = lower(text);
    bool begins = true;
    for (char& c : result) {
        const bool letter = (c >= 'a' && c <= 'z') || (c & 0x80);
        if (letter && begins) c = upper({&c, 1})[0];
        begins = !letter;
    }
    return result;
}

// As std::string_view::find, in a time that grows with the sum of both sizes and not with their product.
inline size_t find_in(std::string_view text, std::string_view part) {
    const void* at = memmem(text.data(), text.size(), part.data(), part.size());
    return at ? static_cast<size_t>(static_cast<const char*>(at) - text.data()) : text.npos;
}

// At most `most` cuts (none bound it when negative), the first or the last ones. An empty separator cuts
// nothing.
inline std::vector<std::string> split_at(std::string_view text, std::string_view separator, int64_t most,
                                         bool from_end) {
    std::vector<std::string> parts;
    for (size_t at; most != 0 && !separator.empty(); --most) {
        at = from_end ? text.rfind(separator) : find_in(text, separator);
        if (at == text.npos) break;
        parts.emplace_back(from_end ? text.substr(at + separator.size()) : text.substr(0, at));
        text = from_end ? text.substr(0, at) : text.substr(at + separator.size());
    }
    parts.emplace_back(text);
    if (from_end) std::reverse(parts.begin(), parts.end());
    return parts;
}

// Words between runs of ASCII white space.
inline std::vector<std::string> split_at_space(std::string_view text, int64_t most) {
    std::vector<std::string> parts;
    for (text = strip(text, ascii_space, true, false); !text.empty(); text = strip(text, ascii_space, true, false)) {
        const size_t end = most-- == 0 ? text.npos : text.find_first_of(ascii_space);
        parts.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end, text.size()));
    }
    return parts;
}

}  // namespace gremium::jinja
