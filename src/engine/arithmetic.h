// In which numbers a model is run.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tensor/dtype.h"

namespace gremium::engine {

enum class Arithmetic : uint8_t {
    // Rows stay f32 whatever type the weights have: what the model says. For what is measured.
    exact,
    // Rows are rounded to 8 or 16 bits where they meet quantised weights, which is faster. For answers.
    running,
};

std::string_view name_of(Arithmetic arithmetic);  // exact, running
std::optional<Arithmetic> arithmetic_named(std::string_view name);

// The type that products are computed in (kernels/matmul/grouped_matmul.h).
constexpr DType compute_of(Arithmetic arithmetic) { return arithmetic == Arithmetic::exact ? DType::f32 : DType::q8_0; }

}  // namespace gremium::engine
