// The one exception of Gremium: an input or the environment is at fault. The text is one line that says what file,
// where in it, and what was expected; the command line prints it and exits with 1.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "../include/gremium/error.hpp"

namespace gremium {

// What foreign files have brought into a message must not break it: control characters escaped, cut when very long.
std::string in_one_line(std::string_view message);

// Throws Error with a formatted line.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
    throw Error(in_one_line(fmt::format(format, std::forward<Args>(args)...)));
}

}  // namespace gremium
