// Base64 (RFC 4648), decoding.
#pragma once

#include <string>
#include <string_view>

namespace gremium {

// Ends at the padding. Throws Error for a character that is none of the alphabet.
std::string from_base64(std::string_view text);

}  // namespace gremium
