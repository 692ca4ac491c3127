// Unicode's characters and their properties, over UTF-8 text that may be damaged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gremium::unicode {

struct Character {
    int32_t code;  // −1: bytes that are not UTF-8
    std::string_view bytes;
};

Character first(std::string_view text);  // of text that is not empty
Character last(std::string_view text);
std::vector<Character> characters(std::string_view text);
void append(std::string& out, int32_t code);

// The general category's letters: 'L' and 'u' of an upper-case letter. {'C', 'n'} of what is none.
struct Category {
    char major, minor;
};
Category category(int32_t code);

bool is_white_space(int32_t code);  // the property White_Space
inline bool is_letter(int32_t code) { return category(code).major == 'L'; }
inline bool is_number(int32_t code) { return category(code).major == 'N'; }
inline bool is_mark(int32_t code) { return category(code).major == 'M'; }
inline bool is_punctuation(int32_t code) { return category(code).major == 'P'; }
bool is_word(int32_t code);   // \w of Unicode's regular expressions: letters, marks, digits, connectors
bool is_lower(int32_t code);  // the properties Lowercase and Uppercase
bool is_upper(int32_t code);

// Full mappings of one character (Unicode's SpecialCasing, without its conditions).
void append_upper(std::string& out, Character character);
void append_lower(std::string& out, Character character);
void append_title(std::string& out, Character character);

enum class Form { c, d, kc, kd };
// Normal forms (Unicode Standard Annex 15). Text that is not UTF-8 stays as it is.
std::string normal_form(std::string_view text, Form form);
std::string case_folded(std::string_view text);

// Where the first extended grapheme cluster of `text` ends.
size_t grapheme_size(std::string_view text);

}  // namespace gremium::unicode
