// Standard output that arrives, or is an error.
#pragma once

#include <string_view>

namespace gremium::cli {

// At the start: a closed standard stream must not become the descriptor of a file that is opened later, and a pipe that
// nobody reads is an error like any other.
void prepare_output();

// Write and flush. Throw std::system_error.
void print_now(std::string_view text);
void flush_output();

}  // namespace gremium::cli
