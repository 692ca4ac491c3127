// Names from untrusted files in one-line error messages.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace gremium {

// In double quotes, control characters and invalid UTF-8 escaped, cut when very long.
inline std::string in_quotes(std::string_view name) {
    constexpr size_t most = 120;
    return fmt::format("{:?}{}", name.substr(0, most), name.size() > most ? "…" : "");
}

}  // namespace gremium
