// What Gremium throws.
//
// A fault of an input or of the machine is a gremium::Error. Its text is one line that names the file or the option,
// the place in it, and what was expected. Two other things can come out of a call: std::bad_alloc when memory runs
// out, and what a callback of yours throws where its description allows that. The library prints nothing and never
// ends the process. Unless a function says otherwise, an object is what it was before a call that threw.
#pragma once

#include <stdexcept>

namespace gremium {

class Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace gremium
