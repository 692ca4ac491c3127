// In what two specifications disagree.
#pragma once

#include <string>

#include "model/spec/spec.h"

namespace gremium {

// The first part, as in "the feed-forward of layer 3"; empty when they are equal.
std::string first_difference(const ModelSpec& a, const ModelSpec& b);

}  // namespace gremium
