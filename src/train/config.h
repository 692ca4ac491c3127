// Recipes (TOML) read, checked and written. Tables of fields (recipe_fields.cpp) read one, name the nearest valid key
// after a misspelling, write the record back as JSON, and are the reference of recipes.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "model/spec/outline.h"
#include "train/recipe.h"

namespace gremium::train {

// Reads and validates. `overrides` are "section.key=value" ("data.NAME.key=value" for a domain), the value as in TOML
// or a bare word. Throws Error with file, line and what was expected.
TrainConfig read_config(const std::filesystem::path& path, std::span<const std::string> overrides = {});
TrainConfig parse_config(std::string_view text, const std::string& source, std::span<const std::string> overrides = {});

// Fills in what is derived (steps, head_dim) and checks the values against each other.
void complete(TrainConfig& config, const std::string& source);

nlohmann::json to_json(const TrainConfig& config);

// The first key that differs and that a resumed run may not change: all but what only concerns speed, reporting and the
// learning-rate plan (WhenResumed). Empty when there is none.
std::string first_conflict(const nlohmann::json& saved, const nlohmann::json& now);
// What of the learning-rate plan differs: "train.lr = 0.002 instead of 0.001".
std::vector<std::string> replanned(const nlohmann::json& saved, const nlohmann::json& now);

// The specification of the model to train. Of the outline, sizes of 0 stand for what follows from others: ssm.inner for
// twice the width, ssm.dt_rank for a sixteenth of it; no experts make a dense model, and a dense width of 0 layers
// without a feed-forward.
ModelSpec model_spec(const Outline& model, int vocab);

// Throws Error unless the architecture, in whose layout checkpoints are written, can say all of the model; it names the
// first key of [model] that it cannot, and the values that it could say.
void check_sayable(const Outline& model, int vocab, const std::string& source);

}  // namespace gremium::train
