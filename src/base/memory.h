// How much memory this process may still take.
#pragma once

#include <cstdint>

namespace gremium {

// Bytes: what the system calls available, or what is left below the control group's limit if that is less.
int64_t available_memory();

}  // namespace gremium
