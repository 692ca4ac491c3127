// Checkpoints of a run: directories OUTPUT/ckpt-STEP that appear complete or not at all. Each is a model in Hugging
// Face layout (config.json, model.safetensors in f32, tokenizer) with optimizer.safetensors (AdamW's moments) and
// state.json.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>

#include "train/full_model.h"

namespace gremium::train {

struct Checkpoint {
    std::filesystem::path path;
    int64_t step = 0;  // updates done
};

// The newest checkpoint; nullopt if there is none. Removes incomplete ones that a crash left.
std::optional<Checkpoint> newest_checkpoint(const std::filesystem::path& output);

// Writes OUTPUT/ckpt-STEP, then removes all but the newest `keep`. On failure (a full disk) earlier checkpoints are
// untouched.
Checkpoint write_checkpoint(const std::filesystem::path& output, int64_t step, FullModel& model,
                            const nlohmann::json& state, int64_t keep);

nlohmann::json read_state(const Checkpoint& checkpoint);

// Restores weights and moments bit for bit. Throws Error naming the file if shapes are not those of the model.
void restore(const Checkpoint& checkpoint, FullModel& model);

}  // namespace gremium::train
