#include "base/error.h"

namespace gremium {

std::string in_one_line(std::string_view message) {
    constexpr size_t most = 2000;
    std::string line;
    for (const char c : message) {
        const auto byte = static_cast<unsigned char>(c);
        const bool begins = (byte & 0xC0) != 0x80;
        if (begins && line.size() > most) return line + "…";
        if (c == '\n')
            line += "\\n";
        else if (byte < ' ' || byte == 0x7f)
            line += fmt::format("\\x{:02x}", byte);
        else
            line += c;
    }
    return line;
}

}  // namespace gremium
