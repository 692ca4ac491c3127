// Text of others on a terminal and in lists of lines.
#pragma once

#include <string>
#include <string_view>

namespace gremium {

// Where the first character begins that would not only be shown: a control character (also those of ISO 6429 beyond
// 127), a line or paragraph separator, a mark that turns the direction of writing, a byte that is no UTF-8. None: npos.
size_t first_unprintable(std::string_view text);

// With escapes in their places: "\n", "\x1b", "\u202e".
std::string printable(std::string_view text);

// The first line, and of that at most so many characters.
std::string first_line(std::string_view text, size_t most = 72);

}  // namespace gremium
