// Where text is cut before a vocabulary is learned from it: tokens do not reach across these cuts.
#pragma once

#include <cstddef>
#include <string_view>

namespace gremium {

// The size of the first word of `text`, which is not empty. A word is one of
// - letters (all that is not ASCII counts as one), with the space or the punctuation mark before them: " the" or
//   ".append"
// - a digit, or up to three unless `split_digits`
// - punctuation, with the space before it and the line ends and indentation after it: " {\n\t\t"
// - line ends and the indentation after them
// - spaces and tabs, two or more; or one that no word takes
size_t first_word(std::string_view text, bool split_digits);

}  // namespace gremium
