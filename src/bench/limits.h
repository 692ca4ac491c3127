// What this machine can do at most, measured: the yardstick for speeds. All with the threads set by set_threads() and
// the active variant; a fraction of a second each.
#pragma once

#include <string>

#include "tensor/dtype.h"

namespace gremium::bench {

// 10⁹ multiplications and additions per second on registers, of the type (MatmulOptions::compute)
double peak_gflops(DType compute);
double read_gbs();  // 10⁹ bytes per second read from memory that no cache holds

std::string cpu_name();  // "unknown" where the system does not say

}  // namespace gremium::bench
