// Which parts of a model made an answer's tokens, as `run --explain` says it.
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "hooks/attribution.h"
#include "model/model.h"

namespace gremium::cli {

void print_explained(const Model& model, const std::vector<hooks::Attribution>& tokens);  // a row a token
nlohmann::ordered_json explained_to_json(const Model& model, const std::vector<hooks::Attribution>& tokens);

}  // namespace gremium::cli
