// Lines typed on a terminal: edited, remembered, pasted whole.
#pragma once

#include <termios.h>

#include <optional>
#include <string>

namespace gremium::cli {

// There is one at a time. While it lives, keys are neither shown nor put together to lines by the terminal, but for the
// time of line(): what is typed early is read by the next one.
class TerminalInput {
  public:
    explicit TerminalInput(bool asks);
    ~TerminalInput();
    TerminalInput(const TerminalInput&) = delete;

    // `text` stands there to be edited. Ctrl-C empties the line, and twice on an empty one is the end of the input, as
    // Ctrl-D is.
    std::optional<std::string> line(const std::string& prompt, const std::string& text);

  private:
    bool asks_, warned_ = false;
    termios before_{};
};

}  // namespace gremium::cli
