// A part of a text, in bytes.
#pragma once

#include <cstddef>

namespace gremium {

struct TextRange {
    size_t begin, end;
    bool operator==(const TextRange&) const = default;
};

}  // namespace gremium
