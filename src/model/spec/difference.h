// Where two specifications differ.
#pragma once

#include <string>

#include "model/spec/spec.h"

namespace gremium {

// The first part that differs, such as "the feed-forward of layer 3"; empty if they are equal.
std::string first_difference(const ModelSpec& a, const ModelSpec& b);

}  // namespace gremium
