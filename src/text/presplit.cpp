#include "text/presplit.h"

#include <algorithm>

namespace gremium {

namespace {

enum class Kind { letter, digit, punctuation, blank, line_end };

Kind kind(char c) {
    if (c == ' ' || c == '\t') return Kind::blank;
    if (c == '\n' || c == '\r') return Kind::line_end;
    if (c >= '0' && c <= '9') return Kind::digit;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80)) return Kind::letter;
    return Kind::punctuation;
}

// The end of the run of `wanted` that starts at `begin`; `begin` when there is none.
size_t skip(std::string_view text, size_t begin, Kind wanted) {
    while (begin < text.size() && kind(text[begin]) == wanted) ++begin;
    return begin;
}

}  // namespace

size_t first_word(std::string_view text, bool split_digits) {
    const auto line_ends = [&](size_t at) {
        const size_t end = skip(text, at, Kind::line_end);
        return end == at ? at : skip(text, end, Kind::blank);
    };
    const Kind first = kind(text[0]);
    if (first == Kind::digit) return split_digits ? 1 : std::min<size_t>(3, skip(text, 0, Kind::digit));
    if (first == Kind::line_end) return line_ends(0);
    if (first == Kind::blank) {
        const size_t end = skip(text, 0, Kind::blank);
        if (end > 1 || end == text.size() || text[0] != ' ') return end;
    }
    const size_t letters = skip(text, first == Kind::letter ? 0 : 1, Kind::letter);
    if (letters > 1 || first == Kind::letter) return letters;
    return line_ends(skip(text, first == Kind::blank ? 1 : 0, Kind::punctuation));
}

}  // namespace gremium
