// UTF-8, byte by byte: where characters end in text that may be damaged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gremium::utf8 {

// What the bytes of a text begin with. Sizes follow Unicode's "maximal subpart" practice (The Unicode
// Standard, 3.9, U+FFFD substitution): an ill-formed start is as long as the longest prefix of a character
// that it could have been.
struct Start {
    enum Kind { character, ill_formed, unfinished } kind;  // unfinished: more bytes may complete it
    size_t size;
};

// `text` is not empty.
inline Start start(std::string_view text) {
    const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = at(0);
    if (lead < 0x80) return {Start::character, 1};
    if (lead < 0xC2 || lead > 0xF4) return {Start::ill_formed, 1};
    const size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    // The second byte's range excludes overlong forms, surrogates and numbers above U+10FFFF.
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    for (size_t i = 1; i < size; ++i) {
        if (i == text.size()) return {Start::unfinished, i};
        if (at(i) < low || at(i) > high) return {Start::ill_formed, i};
        low = 0x80, high = 0xBF;
    }
    return {Start::character, size};
}

inline bool is_ascii(std::string_view text) {
    for (char c : text) {
        if (c & 0x80) return false;
    }
    return true;
}

}  // namespace gremium::utf8
