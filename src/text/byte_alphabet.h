// GPT-2's spelling of bytes: each is one printable character, so that any bytes are words of a vocabulary.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gremium {

// The character of a byte: itself if it is printable in Latin-1, else the next free one from U+0100. A space
// is U+0120.
std::string_view byte_character(unsigned char byte);

// The bytes that a token spells; nullopt when it holds a character that stands for none.
std::optional<std::string> spelled_bytes(std::string_view token);

}  // namespace gremium
