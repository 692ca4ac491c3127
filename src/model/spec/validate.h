// Checks that the decoder can run a specification.
#pragma once

#include <string>

#include "model/spec/spec.h"

namespace gremium {

// Throws Error naming `source` (a file) and the first contradiction: counts that are not positive, heads that kv_heads
// does not divide, rotary dims odd or above head_dim, top_k above experts, …
void validate(const ModelSpec& spec, const std::string& source);

}  // namespace gremium
