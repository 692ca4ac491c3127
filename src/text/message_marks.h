// Which parts of a rendered template came in with the messages.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "text/text_range.h"

namespace gremium {

// A rendered template, and of the names of control tokens in it at least a byte of each that messages brought in.
struct MarkedText {
    std::string text;
    std::vector<TextRange> given;
};

// Names of control tokens in messages, each with one character replaced by another that stands for it: one of a private
// range of Unicode, which is a character like any other to a template and shows in what it makes where that came from.
class MessageMarks {
  public:
    using Json = nlohmann::ordered_json;

    // Marks all names in all strings of the messages.
    MessageMarks(Json messages, const std::vector<std::string_view>& names);
    // No name is in them.
    bool empty() const { return found_.empty(); }
    const Json& messages() const { return messages_; }

    // What a template made of the messages as they were, and of marked ones. Where the two differ by more than marks
    // (the template has looked at a name), all texts of these names count as given.
    MarkedText compare(std::string plain, std::string_view marked) const;

  private:
    void choose_range();
    void mark(std::string& text, const std::vector<std::string_view>& names);
    std::string mark_of(char c) const;
    MarkedText unmarked(std::string_view text) const;

    Json messages_;
    std::vector<std::string_view> found_;
    char range_ = '\x80';  // third byte of the marks, which are F4 8F xx yy; even, the next one is theirs too
};

}  // namespace gremium
