// Substitution of one substring by another.
#pragma once

#include <string>
#include <string_view>

namespace gremium {

inline std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
    std::string result;
    for (size_t at; (at = text.find(from)) != text.npos;) {
        result.append(text.substr(0, at)).append(to);
        text.remove_prefix(at + from.size());
    }
    return result.append(text);
}

}  // namespace gremium
