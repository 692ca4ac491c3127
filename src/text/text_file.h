// Text from anywhere as UTF-8: what every reader of prompts, texts to measure or train on, templates and profiles
// calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace gremium {

// Hears what was decoded and what is odd about a text, a line each, with the file's name.
using TextNote = std::function<void(const std::string& line)>;

enum class TextForm : uint8_t {
    whole,  // where all lines end with CR LF they get LF; a text of both kinds stays as it is
    lines,  // for who reads it line by line: CR LF and LF both end a line
    exact   // what is in bytes of UTF-8 or an old code page stays, byte for byte
};

struct DecodeTextOptions {
    TextForm form = TextForm::whole;
    // NUL bytes are text: where they end documents.
    bool nul = false;
    // Null: nobody listens.
    TextNote note = {};
};

// UTF-16 and UTF-32 (by their mark, or by the zero bytes of plain text) become UTF-8, a byte order mark is taken off,
// and text with bytes above 127 of which none are UTF-8 is read as Windows-1252, which is Latin-1 but for quotes and
// dashes. Broken UTF-8 stays, and is noted. Nothing: the bytes are the text as they are. Throws Error, naming `where`
// and the byte, for what is no text: compressed or random bytes, half characters of UTF-16, NUL bytes where they are
// none.
std::optional<std::string> decode_text(std::string_view bytes, const std::string& where,
                                       const DecodeTextOptions& options = {});

// A whole file, decoded; "-" is standard input.
std::string read_text(const std::filesystem::path& path, const DecodeTextOptions& options = {},
                      size_t max_bytes = size_t{1} << 30);

}  // namespace gremium
