// The weights of a bound model by name.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/spec/tensors.h"

namespace gremium {

// Every weight that is no expert's, with its slot, in the table's order; the head of a model that ties it is among
// them, an encoder's weights are not.
struct NamedWeight {
    TensorSlot slot;
    ops::Weight weight;
};
std::vector<NamedWeight> named_weights(const Model& model);

// The same by canonical name; an encoder's behind "enc.".
std::map<std::string, TensorView> weights_by_name(const Model& model);

// The layers that a tensor is of: the encoder's, or the model's own.
const Model& stack_of(const Model& model, const TensorSlot& slot);

// A slot's part of an expert: the stack's of `expert`.
const ops::Weight& weight_of_expert(const Model& model, const TensorSlot& slot, int expert);

// Error where a weight has a factor beside it (NVFP4), which what is about to be done would leave out.
void require_no_factors(const Model& model);

}  // namespace gremium
