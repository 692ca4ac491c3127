// What every kernel reads before its own code, compiled once (cmake/Gremium.cmake). Headers of other projects only, and
// of Highway only what does not depend on the instruction set; a file still includes what it uses.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "hwy/base.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif
