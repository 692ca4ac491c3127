// Where a model's weights hold what is no finite number.
#pragma once

#include <optional>
#include <string>

#include "model/model.h"
#include "model/spec/tensors.h"
#include "tensor/quantised/finite.h"

namespace gremium {

// "tensor NAME, expert 3: row 0, column 7 is nan". `matrix` is one of a stack's, or 0.
std::string place_of(const TensorSlot& slot, int matrix, const NotFinite& found);

// The first of them, or nothing. Reads all weights.
std::optional<std::string> first_unusable_weight(const Model& model);

}  // namespace gremium
