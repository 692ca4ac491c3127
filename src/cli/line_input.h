// What a person says to a program that talks: lines from a terminal, with editing and history, or from a file or a
// pipe; several lines as one message.
#pragma once

#include <memory>
#include <optional>
#include <sstream>
#include <string>

namespace gremium::cli {

class TerminalInput;

struct Message {
    std::string text;
    bool quoted = false;  // between """ and """: no command
};

class LineInput {
  public:
    // asks: show a prompt on a terminal. Where standard input is a terminal, what is typed is shown only while a
    // message is read, until the end of this object.
    explicit LineInput(bool asks);
    ~LineInput();
    LineInput(const LineInput&) = delete;

    // The next message: a line; lines of which each but the last ends with a backslash; or lines between """ and """. A
    // line that a terminal pastes may hold line ends. Nothing at the end of the input. Throws Error for what is no
    // text.
    std::optional<Message> next();
    // The same on a terminal, with this text to be edited.
    std::optional<std::string> edit(const std::string& text);
    bool terminal() const { return terminal_ != nullptr; }

  private:
    std::optional<std::string> line(bool first);
    std::optional<std::string> piped_line();

    std::unique_ptr<TerminalInput> terminal_;
    bool begun_ = false;
    std::optional<std::istringstream> wide_;  // what is left of input that was UTF-16
};

}  // namespace gremium::cli
