// The arithmetic in which a model runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tensor/dtype.h"

namespace gremium::engine {

enum class Arithmetic : uint8_t {
    // Activations stay f32 whatever type the weights have. For measuring.
    exact,
    // Activations are rounded to 8 or 16 bits where they meet quantised weights, which is faster. For generating text.
    running,
};

// exact, running.
std::string_view name_of(Arithmetic arithmetic);
std::optional<Arithmetic> arithmetic_named(std::string_view name);

// The type in which products are computed (kernels/matmul/grouped_matmul.h).
constexpr DType compute_of(Arithmetic arithmetic) { return arithmetic == Arithmetic::exact ? DType::f32 : DType::q8_0; }

}  // namespace gremium::engine
