// The kinds that models choose among, apart from the functions that compute them (rowwise/): specifications need no more.
#pragma once

#include <cstdint>

namespace gremium::kernels {

enum class Activation : uint8_t { silu, gelu, gelu_erf, relu, clamped_swiglu };
inline constexpr float swiglu_limit = 7, swiglu_alpha = 1.702f;  // of clamped_swiglu
enum class RopePairing : uint8_t { interleaved, half_split };

}  // namespace gremium::kernels
