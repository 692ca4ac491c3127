// The kinds that models choose among, apart from the functions that compute them (rowwise/): specifications need no
// more.
#pragma once

#include <cstdint>

namespace gremium::kernels {

// What stands between the two products of a feed-forward, with its numbers.
struct Activation {
    // clamped_swiglu: gpt-oss's; capped_swiglu: min(silu(gate), limit) · clip(up, ±limit), Step-3.5's.
    enum Kind : uint8_t {
        silu,
        gelu,
        gelu_erf,
        relu,
        clamped_swiglu,
        relu_squared,
        sigmoid,
        softplus,
        identity,
        capped_swiglu
    };

    Kind kind;
    // Of clamped_swiglu and capped_swiglu alone (alpha: of the former); these are gpt-oss's. Both positive.
    float limit = 7, alpha = 1.702f;

    // Converts, so that a kind without numbers is an activation: `.activation = Activation::relu`.
    constexpr Activation(Kind of = silu) : kind(of) {}
    friend bool operator==(const Activation&, const Activation&) = default;
};

enum class RopePairing : uint8_t { interleaved, half_split };

}  // namespace gremium::kernels
