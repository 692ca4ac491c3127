// A run on disk: OUTPUT/ckpt-STEP directories that appear whole or not at all. Each is a model in Hugging Face layout
// (config.json, model.safetensors in f32, tokenizer) with optimizer.safetensors (AdamW's moments) and state.json beside
// it.
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

// The newest one, and what a crash left half-done removed. None: nullopt.
std::optional<Checkpoint> newest_checkpoint(const std::filesystem::path& output);

// Writes OUTPUT/ckpt-STEP, then removes all but the newest `keep`. On failure (a full disk) earlier checkpoints are
// untouched.
Checkpoint write_checkpoint(const std::filesystem::path& output, int64_t step, FullModel& model,
                            const nlohmann::json& state, int64_t keep);

nlohmann::json read_state(const Checkpoint& checkpoint);

// Weights and moments, bit for bit as they were. Throws Error naming the file when shapes are not the model's.
void restore(const Checkpoint& checkpoint, FullModel& model);

}  // namespace gremium::train
