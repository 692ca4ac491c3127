// Prompts as people give them: in arguments, files and pipes.
#pragma once

#include <string>

namespace gremium::cli {

// For readers of text (text/text_file.h): a line on stderr.
void say_note(const std::string& line);

// A prompt of the command line: its bytes. Throws Error for NUL bytes.
std::string argument_text(const std::string& text, const std::string& flag);

// The prompt in a file, a pipe or, for "-", standard input, without the line end at its end.
std::string prompt_of_file(const std::string& file);

// \n, \r, \t, \', \", \\ and \xHH become what they stand for; a backslash before anything else stays.
std::string unescaped(const std::string& text);

}  // namespace gremium::cli
