#include "base/error.h"

#include "base/printable.h"

namespace gremium {

std::string in_one_line(std::string_view message) {
    constexpr size_t most = 2000;
    std::string line = printable(message);
    if (line.size() <= most) return line;
    size_t end = most;
    while ((static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) ++end;
    return line.substr(0, end) + "…";
}

}  // namespace gremium
