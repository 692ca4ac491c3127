// Reads, checks and writes recipes (TOML). The tables of fields in recipe_fields.cpp do all of it: they read a recipe,
// suggest the nearest valid key after a misspelling, write the record as JSON, and print the reference of recipes.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "model/spec/outline.h"
#include "train/recipe.h"

namespace gremium::train {

// Reads and validates a recipe. `overrides` are "section.key=value" ("data.NAME.key=value" for a domain) with the value
// as in TOML or a bare word. Throws Error with file, line and what was expected.
TrainConfig read_config(const std::filesystem::path& path, std::span<const std::string> overrides = {});
TrainConfig parse_config(std::string_view text, const std::string& source, std::span<const std::string> overrides = {});

// Fills in derived values (steps, head_dim) and checks the values against each other.
void complete(TrainConfig& config, const std::string& source);

nlohmann::json to_json(const TrainConfig& config);

// The first key that differs and that a resumed run may not change: all but what only concerns speed, reporting and the
// learning-rate plan (WhenResumed). Empty when there is none.
std::string first_conflict(const nlohmann::json& saved, const nlohmann::json& now);
// What of the learning-rate plan differs: "train.lr = 0.002 instead of 0.001".
std::vector<std::string> replanned(const nlohmann::json& saved, const nlohmann::json& now);

// The specification of the model to train. Sizes of 0 in the outline have defaults: ssm.inner is twice the model width,
// ssm.dt_rank a sixteenth of it. No experts: a dense model; a dense width of 0: layers without a feed-forward.
ModelSpec model_spec(const Outline& model, int vocab);

// Throws Error if files of the architecture, in whose layout checkpoints are written, cannot express the model. It
// names the first such key of [model] and the values that are possible.
void check_sayable(const Outline& model, int vocab, const std::string& source);

}  // namespace gremium::train
