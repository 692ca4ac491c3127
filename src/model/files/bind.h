// Named tensors → model: what loading, training, editing and versions share.
#pragma once

#include <functional>
#include <memory>

#include "model/model.h"
#include "model/spec/tensors.h"

namespace gremium {

// `find` gives the weight of a slot (views and, for training, gradients); expert stacks [E, …] are split into experts
// here. Where it gives nothing for a stack it is asked for each expert. Throws Error for a missing weight and for one
// of another shape. `files`: what views may be parts of, so that experts know their source (moe/store/contract.h).
std::shared_ptr<Model> bind_model(const ModelSpec& spec, const std::function<ops::Weight(const TensorSlot&)>& find,
                                  moe::Residency residency, MappedFiles files = {});

}  // namespace gremium
