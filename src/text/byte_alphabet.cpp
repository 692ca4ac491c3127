#include "text/byte_alphabet.h"

#include <array>

namespace gremium {

namespace {

struct Alphabet {
    std::array<std::string, 256> characters;
    std::array<int, 0x144> bytes;  // by code point; -1 for none

    Alphabet() {
        bytes.fill(-1);
        int next = 0x100;
        for (int byte = 0; byte < 256; ++byte) {
            const bool printable = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
            const int point = printable ? byte : next++;
            bytes[point] = byte;
            characters[byte] = point < 0x80 ? std::string(1, static_cast<char>(point))
                                            : std::string{static_cast<char>(0xC0 | point >> 6),
                                                          static_cast<char>(0x80 | (point & 0x3F))};
        }
    }
};

const Alphabet& alphabet() {
    static const Alphabet instance;
    return instance;
}

}  // namespace

std::string_view byte_character(unsigned char byte) { return alphabet().characters[byte]; }

std::optional<std::string> spelled_bytes(std::string_view token) {
    std::string result;
    for (size_t i = 0; i < token.size(); ++i) {
        unsigned point = static_cast<unsigned char>(token[i]);
        if (point >= 0x80) {
            if ((point & 0xE0) != 0xC0 || ++i == token.size()) return std::nullopt;
            point = (point & 0x1F) << 6 | (token[i] & 0x3F);
        }
        if (point >= alphabet().bytes.size() || alphabet().bytes[point] < 0) return std::nullopt;
        result += static_cast<char>(alphabet().bytes[point]);
    }
    return result;
}

}  // namespace gremium
