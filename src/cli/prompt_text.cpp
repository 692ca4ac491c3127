#include "cli/prompt_text.h"

#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "text/text_file.h"

namespace gremium::cli {

void say_note(const std::string& line) { fmt::print(stderr, "note: {}\n", line); }

std::string argument_text(const std::string& text, const std::string& flag) {
    return decode_text(text, flag, {.form = TextForm::exact, .note = say_note}).value_or(text);
}

std::string prompt_of_file(const std::string& file) {
    std::string text = read_text(file, {.note = say_note});
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    return text;
}

std::string unescaped(const std::string& text) {
    constexpr std::string_view names = "nrt'\"\\", meant = "\n\r\t'\"\\";
    std::string result;
    for (size_t i = 0; i < text.size(); ++i) {
        result += text[i];
        if (text[i] != '\\' || i + 1 == text.size()) continue;
        const char name = text[i + 1];
        if (const size_t at = names.find(name); at != std::string_view::npos) {
            result.back() = meant[at];
            ++i;
        } else if (name == 'x' && i + 3 < text.size()) {
            unsigned value = 0;
            const char* digits = text.data() + i + 2;
            if (std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) continue;
            result.back() = static_cast<char>(value);
            i += 3;
        }
    }
    return result;
}

}  // namespace gremium::cli
