// How much memory this process has, and may still take.
#pragma once

#include <cstdint>

namespace gremium {

// Bytes: what the system calls available, or what is left below the limits of the control groups around this process
// if that is less. Pages of files that are only cached count as free.
int64_t available_memory();

struct ResidentMemory {
    int64_t anonymous = 0;  // bytes that the process wrote
    int64_t file = 0;       // bytes of mapped files, among them programs: dropped when others need the room
};
ResidentMemory resident_memory();

}  // namespace gremium
