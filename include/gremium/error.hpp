// Error: the exception that Gremium throws.
//
// Bad input and failures of the machine are reported as gremium::Error. Its message is one line that names the file or
// option, the place in it, and what was expected. Two other exceptions can leave a call: std::bad_alloc when memory
// runs out, and whatever your own callback throws, if its description allows that. The library prints nothing and never
// ends the process. Unless a function says otherwise, a call that throws leaves its object unchanged.
#pragma once

#include <stdexcept>

namespace gremium {

class Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace gremium
