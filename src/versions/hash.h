// The identity of a model, whatever file it came from.
#pragma once

#include <string>

#include "model/model.h"

namespace gremium::versions {

// The content hash of all weights as they are stored: tensors by name, experts by their own hashes. Reads every weight
// once.
std::string model_hash(const Model& model);

}  // namespace gremium::versions
