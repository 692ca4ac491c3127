// Numbers that are none: NaN and infinities among weights.
#pragma once

#include <cstdint>
#include <optional>

#include "tensor/tensor.h"

namespace gremium {

struct NotFinite {
    int64_t row, column;
    float value;
};
// The first of a tensor of any type of weights, or nothing.
std::optional<NotFinite> first_not_finite(TensorView tensor);

}  // namespace gremium
