// Content hashes (XXH3-128): equal bytes, equal name. Not for security against forgery.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace gremium {

// 32 lower-case hexadecimal digits.
std::string content_hash(std::span<const std::byte> bytes);
// Of pieces that lie apart, as if they lay behind each other.
std::string content_hash_of_all(std::span<const std::span<const std::byte>> pieces);

}  // namespace gremium
