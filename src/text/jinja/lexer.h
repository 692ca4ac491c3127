// Cuts a template into text, expressions and statements, and those into tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gremium::jinja {

struct Token {
    enum Kind : uint8_t { name, integer, floating, string, symbol, end } kind;
    std::string text;  // a string's content, with escapes resolved
};

struct Segment {
    enum Kind : uint8_t { text, output, statement } kind;
    int line;                   // from 1
    std::string content;        // of text
    std::vector<Token> tokens;  // of the others; the last one is `end`
};

// White space as transformers' templates expect it (trim_blocks, lstrip_blocks): the line end after a statement or
// comment goes, and so do the blanks before one that begins its line; `-` and `+` beside the braces as usual. Line
// ends of all kinds are "\n", and one at the end of the template goes. Throws Error with the line.
std::vector<Segment> lex(std::string_view source);

}  // namespace gremium::jinja
