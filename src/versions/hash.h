// What a model is, whatever file it came from.
#pragma once

#include <string>

#include "model/model.h"

namespace gremium::versions {

// The content hash of all its weights as they are stored, by name, experts by theirs. Reads every weight once.
std::string model_hash(const Model& model);

}  // namespace gremium::versions
