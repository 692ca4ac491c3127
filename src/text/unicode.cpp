#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <new>

#include "text/utf8.h"

namespace gremium::unicode {

namespace {

struct SpecialCase {
    int32_t code;
    const char *upper, *title;
};

// Characters whose upper or title case is several ones, in order.
constexpr SpecialCase special_cases[] = {{0xDF, "SS", "Ss"},
                                         {0x149, "\u02BCN", "\u02BCN"},
                                         {0x1F0, "J\u030C", "J\u030C"},
                                         {0x390, "\u0399\u0308\u0301", "\u0399\u0308\u0301"},
                                         {0x3B0, "\u03A5\u0308\u0301", "\u03A5\u0308\u0301"},
                                         {0x587, "\u0535\u0552", "\u0535\u0582"},
                                         {0x1E96, "H\u0331", "H\u0331"},
                                         {0x1E97, "T\u0308", "T\u0308"},
                                         {0x1E98, "W\u030A", "W\u030A"},
                                         {0x1E99, "Y\u030A", "Y\u030A"},
                                         {0x1E9A, "A\u02BE", "A\u02BE"},
                                         {0x1F50, "\u03A5\u0313", "\u03A5\u0313"},
                                         {0x1F52, "\u03A5\u0313\u0300", "\u03A5\u0313\u0300"},
                                         {0x1F54, "\u03A5\u0313\u0301", "\u03A5\u0313\u0301"},
                                         {0x1F56, "\u03A5\u0313\u0342", "\u03A5\u0313\u0342"},
                                         {0x1F80, "\u1F08\u0399", "\u1F88"},
                                         {0x1F81, "\u1F09\u0399", "\u1F89"},
                                         {0x1F82, "\u1F0A\u0399", "\u1F8A"},
                                         {0x1F83, "\u1F0B\u0399", "\u1F8B"},
                                         {0x1F84, "\u1F0C\u0399", "\u1F8C"},
                                         {0x1F85, "\u1F0D\u0399", "\u1F8D"},
                                         {0x1F86, "\u1F0E\u0399", "\u1F8E"},
                                         {0x1F87, "\u1F0F\u0399", "\u1F8F"},
                                         {0x1F88, "\u1F08\u0399", "\u1F88"},
                                         {0x1F89, "\u1F09\u0399", "\u1F89"},
                                         {0x1F8A, "\u1F0A\u0399", "\u1F8A"},
                                         {0x1F8B, "\u1F0B\u0399", "\u1F8B"},
                                         {0x1F8C, "\u1F0C\u0399", "\u1F8C"},
                                         {0x1F8D, "\u1F0D\u0399", "\u1F8D"},
                                         {0x1F8E, "\u1F0E\u0399", "\u1F8E"},
                                         {0x1F8F, "\u1F0F\u0399", "\u1F8F"},
                                         {0x1F90, "\u1F28\u0399", "\u1F98"},
                                         {0x1F91, "\u1F29\u0399", "\u1F99"},
                                         {0x1F92, "\u1F2A\u0399", "\u1F9A"},
                                         {0x1F93, "\u1F2B\u0399", "\u1F9B"},
                                         {0x1F94, "\u1F2C\u0399", "\u1F9C"},
                                         {0x1F95, "\u1F2D\u0399", "\u1F9D"},
                                         {0x1F96, "\u1F2E\u0399", "\u1F9E"},
                                         {0x1F97, "\u1F2F\u0399", "\u1F9F"},
                                         {0x1F98, "\u1F28\u0399", "\u1F98"},
                                         {0x1F99, "\u1F29\u0399", "\u1F99"},
                                         {0x1F9A, "\u1F2A\u0399", "\u1F9A"},
                                         {0x1F9B, "\u1F2B\u0399", "\u1F9B"},
                                         {0x1F9C, "\u1F2C\u0399", "\u1F9C"},
                                         {0x1F9D, "\u1F2D\u0399", "\u1F9D"},
                                         {0x1F9E, "\u1F2E\u0399", "\u1F9E"},
                                         {0x1F9F, "\u1F2F\u0399", "\u1F9F"},
                                         {0x1FA0, "\u1F68\u0399", "\u1FA8"},
                                         {0x1FA1, "\u1F69\u0399", "\u1FA9"},
                                         {0x1FA2, "\u1F6A\u0399", "\u1FAA"},
                                         {0x1FA3, "\u1F6B\u0399", "\u1FAB"},
                                         {0x1FA4, "\u1F6C\u0399", "\u1FAC"},
                                         {0x1FA5, "\u1F6D\u0399", "\u1FAD"},
                                         {0x1FA6, "\u1F6E\u0399", "\u1FAE"},
                                         {0x1FA7, "\u1F6F\u0399", "\u1FAF"},
                                         {0x1FA8, "\u1F68\u0399", "\u1FA8"},
                                         {0x1FA9, "\u1F69\u0399", "\u1FA9"},
                                         {0x1FAA, "\u1F6A\u0399", "\u1FAA"},
                                         {0x1FAB, "\u1F6B\u0399", "\u1FAB"},
                                         {0x1FAC, "\u1F6C\u0399", "\u1FAC"},
                                         {0x1FAD, "\u1F6D\u0399", "\u1FAD"},
                                         {0x1FAE, "\u1F6E\u0399", "\u1FAE"},
                                         {0x1FAF, "\u1F6F\u0399", "\u1FAF"},
                                         {0x1FB2, "\u1FBA\u0399", "\u1FBA\u0345"},
                                         {0x1FB3, "\u0391\u0399", "\u1FBC"},
                                         {0x1FB4, "\u0386\u0399", "\u0386\u0345"},
                                         {0x1FB6, "\u0391\u0342", "\u0391\u0342"},
                                         {0x1FB7, "\u0391\u0342\u0399", "\u0391\u0342\u0345"},
                                         {0x1FBC, "\u0391\u0399", "\u1FBC"},
                                         {0x1FC2, "\u1FCA\u0399", "\u1FCA\u0345"},
                                         {0x1FC3, "\u0397\u0399", "\u1FCC"},
                                         {0x1FC4, "\u0389\u0399", "\u0389\u0345"},
                                         {0x1FC6, "\u0397\u0342", "\u0397\u0342"},
                                         {0x1FC7, "\u0397\u0342\u0399", "\u0397\u0342\u0345"},
                                         {0x1FCC, "\u0397\u0399", "\u1FCC"},
                                         {0x1FD2, "\u0399\u0308\u0300", "\u0399\u0308\u0300"},
                                         {0x1FD3, "\u0399\u0308\u0301", "\u0399\u0308\u0301"},
                                         {0x1FD6, "\u0399\u0342", "\u0399\u0342"},
                                         {0x1FD7, "\u0399\u0308\u0342", "\u0399\u0308\u0342"},
                                         {0x1FE2, "\u03A5\u0308\u0300", "\u03A5\u0308\u0300"},
                                         {0x1FE3, "\u03A5\u0308\u0301", "\u03A5\u0308\u0301"},
                                         {0x1FE4, "\u03A1\u0313", "\u03A1\u0313"},
                                         {0x1FE6, "\u03A5\u0342", "\u03A5\u0342"},
                                         {0x1FE7, "\u03A5\u0308\u0342", "\u03A5\u0308\u0342"},
                                         {0x1FF2, "\u1FFA\u0399", "\u1FFA\u0345"},
                                         {0x1FF3, "\u03A9\u0399", "\u1FFC"},
                                         {0x1FF4, "\u038F\u0399", "\u038F\u0345"},
                                         {0x1FF6, "\u03A9\u0342", "\u03A9\u0342"},
                                         {0x1FF7, "\u03A9\u0342\u0399", "\u03A9\u0342\u0345"},
                                         {0x1FFC, "\u03A9\u0399", "\u1FFC"},
                                         {0xFB00, "FF", "Ff"},
                                         {0xFB01, "FI", "Fi"},
                                         {0xFB02, "FL", "Fl"},
                                         {0xFB03, "FFI", "Ffi"},
                                         {0xFB04, "FFL", "Ffl"},
                                         {0xFB05, "ST", "St"},
                                         {0xFB06, "ST", "St"},
                                         {0xFB13, "\u0544\u0546", "\u0544\u0576"},
                                         {0xFB14, "\u0544\u0535", "\u0544\u0565"},
                                         {0xFB15, "\u0544\u053B", "\u0544\u056B"},
                                         {0xFB16, "\u054E\u0546", "\u054E\u0576"},
                                         {0xFB17, "\u0544\u053D", "\u0544\u056D"}};

const SpecialCase* special_case(int32_t code) {
    const auto* found = std::ranges::lower_bound(special_cases, code, {}, &SpecialCase::code);
    return found != std::end(special_cases) && found->code == code ? found : nullptr;
}

struct Range {
    int32_t from, to;
};

bool within(std::initializer_list<Range> ranges, int32_t code) {
    return std::ranges::any_of(ranges, [&](Range range) { return range.from <= code && code <= range.to; });
}

std::string mapped(std::string_view text, int options) {
    utf8proc_uint8_t* made = nullptr;
    const auto size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                     &made, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | options));
    const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(made, std::free);
    if (size == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
    return size < 0 ? std::string(text) : std::string(reinterpret_cast<const char*>(made), size);
}

}  // namespace

Character first(std::string_view text) {
    const utf8::Start start = utf8::start(text);
    const std::string_view bytes = text.substr(0, start.size);
    int32_t code = -1;
    if (start.kind == utf8::Start::character) {
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(bytes.data()),
                         static_cast<utf8proc_ssize_t>(bytes.size()), &code);
    }
    return {code, bytes};
}

Character last(std::string_view text) {
    size_t begin = text.size() - 1;
    while (begin > 0 && text.size() - begin < 4 && (text[begin] & 0xC0) == 0x80) --begin;
    const Character found = first(text.substr(begin));
    return begin + found.bytes.size() == text.size() ? found : Character{-1, text.substr(text.size() - 1)};
}

std::vector<Character> characters(std::string_view text) {
    std::vector<Character> result;
    for (; !text.empty(); text.remove_prefix(result.back().bytes.size())) result.push_back(first(text));
    return result;
}

void append(std::string& out, int32_t code) {
    utf8proc_uint8_t bytes[4];
    const auto size = utf8proc_encode_char(code, bytes);
    out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

Category category(int32_t code) {
    const char* name = utf8proc_category_string(code);
    return {name[0], name[1]};
}

bool is_white_space(int32_t code) {
    return (code >= 0x9 && code <= 0xD) || code == 0x85 || category(code).major == 'Z';
}

bool is_word(int32_t code) {
    const Category c = category(code);
    return code == 0x200C || code == 0x200D || c.major == 'L' || c.major == 'M' || (c.major == 'N' && c.minor != 'o') ||
           (c.major == 'P' && c.minor == 'c') ||
           within({{0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}}, code);
}

bool is_lower(int32_t code) {
    const Category c = category(code);
    if (c.major == 'L' && c.minor == 'l') return true;
    return within({{0xAA, 0xAA},     {0xBA, 0xBA},     {0x2B0, 0x2B8},   {0x2C0, 0x2C1},   {0x2E0, 0x2E4},
                   {0x345, 0x345},   {0x37A, 0x37A},   {0x1D2C, 0x1D6A}, {0x1D78, 0x1D78}, {0x1D9B, 0x1DBF},
                   {0x2071, 0x2071}, {0x207F, 0x207F}, {0x2090, 0x209C}, {0x2170, 0x217F}, {0x24D0, 0x24E9},
                   {0x2C7C, 0x2C7D}, {0xA69C, 0xA69D}, {0xA770, 0xA770}, {0xA7F8, 0xA7F9}, {0xAB5C, 0xAB5F}},
                  code);
}

bool is_upper(int32_t code) {
    const Category c = category(code);
    if (c.major == 'L' && c.minor == 'u') return true;
    return within({{0x2160, 0x216F}, {0x24B6, 0x24CF}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}},
                  code);
}

void append_upper(std::string& out, Character c) {
    if (const SpecialCase* special = special_case(c.code))
        out += special->upper;
    else if (c.code < 0)
        out += c.bytes;
    else
        append(out, utf8proc_toupper(c.code));
}

void append_lower(std::string& out, Character c) {
    if (c.code == 0x130)
        out += "i\u0307";
    else if (c.code < 0)
        out += c.bytes;
    else
        append(out, utf8proc_tolower(c.code));
}

void append_title(std::string& out, Character c) {
    if (const SpecialCase* special = special_case(c.code))
        out += special->title;
    else if (c.code < 0)
        out += c.bytes;
    else
        append(out, utf8proc_totitle(c.code));
}

std::string normal_form(std::string_view text, Form form) {
    const int compatible = form == Form::kc || form == Form::kd ? UTF8PROC_COMPAT : 0;
    return mapped(text, compatible | (form == Form::c || form == Form::kc ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE));
}

std::string case_folded(std::string_view text) { return mapped(text, UTF8PROC_CASEFOLD); }

size_t grapheme_size(std::string_view text) {
    Character before = first(text);
    size_t size = before.bytes.size();
    int32_t state = 0;
    while (size < text.size()) {
        const Character next = first(text.substr(size));
        if (before.code < 0 || next.code < 0 || utf8proc_grapheme_break_stateful(before.code, next.code, &state)) break;
        size += next.bytes.size();
        before = next;
    }
    return size;
}

}  // namespace gremium::unicode
