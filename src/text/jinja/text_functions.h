// Python's functions on strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gremium::jinja {

inline constexpr std::string_view white_space =
    " \t\n\r\v\f\x1C\x1D\x1E\x1F\u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200A"
    "\u2028\u2029\u202F\u205F\u3000";

// Whether str.isspace and str.isprintable pass a character.
bool is_space(int32_t code);
bool is_printable(int32_t code);

// Takes the UTF-8 characters that are among `characters` off the ends.
std::string_view strip(std::string_view text, std::string_view characters, bool left, bool right);

int64_t character_count(std::string_view text);

std::string upper(std::string_view text);
std::string lower(std::string_view text);  // a sigma that ends a word is its final form
std::string capitalized(std::string_view text);
std::string title(std::string_view text);  // letters after what is none are capital
std::string swapped_case(std::string_view text);

// As std::string_view::find, in a time that grows with the sum of both sizes and not with their product.
size_t find_in(std::string_view text, std::string_view part);

// At most `most` cuts (none bound it when negative), the first or the last ones. An empty separator cuts
// nothing.
std::vector<std::string> split_at(std::string_view text, std::string_view separator, int64_t most, bool from_end);

// Words between runs of white space; at most `most` cuts, the first or the last ones.
std::vector<std::string> split_at_space(std::string_view text, int64_t most, bool from_end);

// Lines, at all the line ends that Python's splitlines knows.
std::vector<std::string> split_lines(std::string_view text, bool keep_ends);

// At most `most` times when that is not negative; where `from` is empty between all characters.
std::string replaced_in(std::string_view text, std::string_view from, std::string_view to, int64_t most);

// Python's int(text, base) and float(text); false when the text is no number or too large.
bool parse_integer(std::string_view text, int64_t base, int64_t& result);
bool parse_float(std::string_view text, double& result);

}  // namespace gremium::jinja
