#include "text/base64.h"

#include <cstdint>

#include "base/error.h"

namespace gremium {

std::string from_base64(std::string_view text) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    uint32_t bits = 0;
    int held = 0;
    for (char c : text) {
        if (c == '=') break;
        const size_t digit = alphabet.find(c);
        if (digit == alphabet.npos) fail("base64: \"{}\" is no digit", c);
        bits = bits << 6 | static_cast<uint32_t>(digit);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        bytes += static_cast<char>(bits >> held);
    }
    return bytes;
}

}  // namespace gremium
