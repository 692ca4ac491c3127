#include "text/jinja/text_functions.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "text/unicode.h"

namespace gremium::jinja {

namespace {

using unicode::Character;

bool is_cased(int32_t code) {
    const auto category = unicode::category(code);
    return unicode::is_lower(code) || unicode::is_upper(code) || (category.major == 'L' && category.minor == 't');
}

// What stands within words without being a letter (Unicode's Case_Ignorable).
bool is_case_ignorable(int32_t code) {
    const auto [major, minor] = unicode::category(code);
    constexpr std::u32string_view marks =
        U"'.:^`\u00A8\u00AD\u00B7\u2018\u2019\u2024\u2027\uFE13\uFE52\uFE55\uFF07\uFF0E\uFF1A";
    return major == 'M' || (major == 'L' && minor == 'm') || (major == 'C' && minor == 'f') ||
           (major == 'S' && minor == 'k') || marks.find(static_cast<char32_t>(code)) != marks.npos;
}

bool is_final_sigma(const std::vector<Character>& text, size_t at) {
    size_t before = at, after = at + 1;
    while (before > 0 && is_case_ignorable(text[before - 1].code)) --before;
    while (after < text.size() && is_case_ignorable(text[after].code)) ++after;
    return before > 0 && is_cased(text[before - 1].code) && (after == text.size() || !is_cased(text[after].code));
}

void append_lower(std::string& out, const std::vector<Character>& text, size_t at) {
    if (text[at].code == 0x3A3 && is_final_sigma(text, at))
        out += "ς";
    else
        unicode::append_lower(out, text[at]);
}

size_t space_at(std::string_view text) {
    if (text.empty()) return 0;
    const Character c = unicode::first(text);
    return is_space(c.code) ? c.bytes.size() : 0;
}

// Without a number's underscores, which stand between digits; false where they do not.
bool without_underscores(std::string_view text, std::string& plain) {
    for (size_t i = 0; i < text.size(); ++i) {
        const auto is_digit = [&](size_t at) {
            return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at]));
        };
        if (text[i] != '_')
            plain += text[i];
        else if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1))
            return false;
    }
    return !plain.empty();
}

}  // namespace

bool is_space(int32_t code) { return unicode::is_white_space(code) || (code >= 0x1C && code <= 0x1F); }

bool is_printable(int32_t code) {
    const char major = unicode::category(code).major;
    return code == ' ' || (major != 'C' && major != 'Z');
}

std::string_view strip(std::string_view text, std::string_view characters, bool left, bool right) {
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

int64_t character_count(std::string_view text) {
    return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

std::string upper(std::string_view text) {
    std::string result;
    for (const Character& c : unicode::characters(text)) unicode::append_upper(result, c);
    return result;
}

std::string lower(std::string_view text) {
    std::string result;
    const auto characters = unicode::characters(text);
    for (size_t i = 0; i < characters.size(); ++i) append_lower(result, characters, i);
    return result;
}

std::string capitalized(std::string_view text) {
    std::string result;
    const auto characters = unicode::characters(text);
    if (!characters.empty()) unicode::append_title(result, characters[0]);
    for (size_t i = 1; i < characters.size(); ++i) append_lower(result, characters, i);
    return result;
}

std::string title(std::string_view text) {
    std::string result;
    const auto characters = unicode::characters(text);
    bool begins = true;
    for (size_t i = 0; i < characters.size(); ++i) {
        if (begins)
            unicode::append_title(result, characters[i]);
        else
            append_lower(result, characters, i);
        begins = !is_cased(characters[i].code);
    }
    return result;
}

std::string swapped_case(std::string_view text) {
    std::string result;
    const auto characters = unicode::characters(text);
    for (size_t i = 0; i < characters.size(); ++i) {
        if (unicode::is_upper(characters[i].code))
            append_lower(result, characters, i);
        else if (unicode::is_lower(characters[i].code))
            unicode::append_upper(result, characters[i]);
        else
            result += characters[i].bytes;
    }
    return result;
}

size_t find_in(std::string_view text, std::string_view part) {
    const void* at = memmem(text.data(), text.size(), part.data(), part.size());
    return at ? static_cast<size_t>(static_cast<const char*>(at) - text.data()) : text.npos;
}

std::vector<std::string> split_at(std::string_view text, std::string_view separator, int64_t most, bool from_end) {
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

std::vector<std::string> split_at_space(std::string_view text, int64_t most, bool from_end) {
    std::vector<std::string> parts;
    for (text = strip(text, white_space, !from_end, from_end); !text.empty();
         text = strip(text, white_space, !from_end, from_end)) {
        size_t cut = from_end ? text.size() : 0;
        if (most-- == 0) {
            parts.emplace_back(strip(text, white_space, from_end, !from_end && false));
            break;
        }
        if (from_end) {
            while (cut > 0 && !is_space(unicode::last(text.substr(0, cut)).code))
                cut -= unicode::last(text.substr(0, cut)).bytes.size();
            parts.emplace_back(text.substr(cut));
            text = text.substr(0, cut);
        } else {
            while (cut < text.size() && space_at(text.substr(cut)) == 0)
                cut += unicode::first(text.substr(cut)).bytes.size();
            parts.emplace_back(text.substr(0, cut));
            text.remove_prefix(cut);
        }
    }
    if (from_end) std::reverse(parts.begin(), parts.end());
    return parts;
}

std::vector<std::string> split_lines(std::string_view text, bool keep_ends) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        size_t end = 0, size = 0;
        for (; end < text.size() && size == 0; end += size == 0) {
            const std::string_view rest = text.substr(end);
            if (rest.starts_with("\r\n") || rest.starts_with("\u0085"))
                size = 2;
            else if (rest.starts_with("\u2028") || rest.starts_with("\u2029"))
                size = 3;
            else if (rest[0] != '\0' && std::strchr("\n\r\v\f\x1C\x1D\x1E", rest[0]))
                size = 1;
        }
        lines.emplace_back(text.substr(0, keep_ends ? end + size : end));
        text.remove_prefix(end + size);
    }
    return lines;
}

std::string replaced_in(std::string_view text, std::string_view from, std::string_view to, int64_t most) {
    std::string result;
    if (from.empty()) {
        for (const Character& c : unicode::characters(text)) {
            if (most != 0) result += to, --most;
            result += c.bytes;
        }
        if (most != 0) result += to;
        return result;
    }
    const auto parts = split_at(text, from, most, false);
    for (size_t i = 0; i < parts.size(); ++i) result.append(i > 0 ? to : "").append(parts[i]);
    return result;
}

bool parse_integer(std::string_view text, int64_t base, int64_t& result) {
    std::string plain;
    text = strip(text, white_space, true, true);
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (text.size() > 2 && text[0] == '0') {
        const int marked = std::tolower(text[1]) == 'x'   ? 16
                           : std::tolower(text[1]) == 'o' ? 8
                           : std::tolower(text[1]) == 'b' ? 2
                                                          : 0;
        if (marked != 0 && (base == marked || base == 0)) {
            text.remove_prefix(text[2] == '_' ? 3 : 2);
            base = marked;
        }
    }
    if (base == 0) base = 10;
    if (base < 2 || base > 36 || !without_underscores(text, plain) || plain[0] == '-') return false;
    if (negative) plain.insert(0, 1, '-');
    const auto [end, failed] =
        std::from_chars(plain.data(), plain.data() + plain.size(), result, static_cast<int>(base));
    return failed == std::errc() && end == plain.data() + plain.size();
}

bool parse_float(std::string_view text, double& result) {
    std::string plain;
    if (!without_underscores(strip(text, white_space, true, true), plain)) return false;
    const size_t sign = plain[0] == '-' || plain[0] == '+';
    if (plain.size() > sign + 1 && std::tolower(plain[sign + 1]) == 'x') return false;  // strtod would read hexadecimal
    std::string_view digits(plain);
    if (plain[0] == '+') digits.remove_prefix(1);
    if (digits.starts_with("+-") || digits.empty()) return false;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), result);
    if (failed == std::errc::result_out_of_range) {
        result = std::strtod(plain.c_str(), nullptr);
        return end == digits.data() + digits.size();
    }
    return failed == std::errc() && end == digits.data() + digits.size() && plain.find('(') == plain.npos;
}

}  // namespace gremium::jinja
