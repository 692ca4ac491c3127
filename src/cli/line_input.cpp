#include "cli/line_input.h"

#include <iostream>
#include <iterator>
#include <utility>

#include <unistd.h>

#include "cli/prompt_text.h"
#include "cli/terminal_input.h"
#include "text/text_file.h"

namespace gremium::cli {
namespace {

constexpr std::string_view quotes = "\"\"\"";

std::string_view without_space_behind(std::string_view text) {
    return text.substr(0, text.find_last_not_of(" \t") + 1);
}

std::string decoded(const std::string& line) {
    return decode_text(line, "standard input", {.note = say_note}).value_or(line);
}

}  // namespace

LineInput::LineInput(bool asks) {
    if (::isatty(STDIN_FILENO)) terminal_ = std::make_unique<TerminalInput>(asks);
}
LineInput::~LineInput() = default;

std::optional<Message> LineInput::next() {
    std::optional<std::string> begun = line(true);
    if (!begun) return std::nullopt;
    std::string text = std::move(*begun);
    if (!text.starts_with(quotes)) {
        while (text.ends_with('\\')) {
            text.pop_back();
            const std::optional<std::string> more = line(false);
            if (!more) break;
            text += "\n" + *more;
        }
        return Message{std::move(text)};
    }
    text.erase(0, quotes.size());
    while (!without_space_behind(text).ends_with(quotes)) {
        const std::optional<std::string> more = line(false);
        if (!more) break;
        text += "\n" + *more;
    }
    if (without_space_behind(text).ends_with(quotes)) text.resize(without_space_behind(text).size() - quotes.size());
    if (text.starts_with('\n')) text.erase(0, 1);
    if (text.ends_with('\n')) text.pop_back();
    return Message{std::move(text), true};
}

std::optional<std::string> LineInput::edit(const std::string& text) {
    return terminal_ ? terminal_->line("> ", text) : std::nullopt;
}

std::optional<std::string> LineInput::line(bool first) {
    std::optional<std::string> text = terminal_ ? terminal_->line(first ? "> " : ". ", "") : piped_line();
    if (text && text->ends_with('\r')) text->pop_back();
    if (text) *text = decoded(*text);
    return text;
}

std::optional<std::string> LineInput::piped_line() {
    std::string text;
    if (wide_) return std::getline(*wide_, text) ? std::optional(text) : std::nullopt;
    if (!std::getline(std::cin, text)) return std::nullopt;
    if (std::exchange(begun_, true) || !(text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))) return text;
    // Lines of UTF-16 are no lines of bytes.
    if (!std::cin.eof()) text += '\n';
    text.append(std::istreambuf_iterator<char>(std::cin), {});
    wide_.emplace(decoded(text));
    return piped_line();
}

}  // namespace gremium::cli
