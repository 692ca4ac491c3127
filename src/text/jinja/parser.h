// A template's text to its tree.
#pragma once

#include <string_view>

#include "text/jinja/tree.h"

namespace gremium::jinja {

// Throws Error that names the line.
NodePtr parse(std::string_view source);

}  // namespace gremium::jinja
