// Unicode normalisation.
#pragma once

#include <string>
#include <string_view>

namespace gremium {

// Normal form C (Unicode Standard Annex 15). Text that is not UTF-8 stays as it is.
std::string normal_form_c(std::string_view text);

}  // namespace gremium
