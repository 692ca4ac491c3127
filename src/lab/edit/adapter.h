// Adapters (LoRA): low-rank changes of experts' matrices, in a file separate from the model they were trained for.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "lab/edit/low_rank.h"
#include "model/model.h"
#include "model/spec/tensors.h"

namespace gremium::lab {

struct Adapter {
    struct Part {
        TensorSlot slot;  // a matrix of one expert
        LowRank change;
    };
    std::string model, model_hash;  // the model it was trained for
    std::vector<Part> parts;
};

// Writes safetensors: "TENSOR.EXPERT.lora_a" [r, K] and "….lora_b" [N, r] in f32 for each matrix, such as
// "blk.1.ffn_up_exps.weight.3.lora_a"; metadata "format" = "gremium-adapter-1", "model", "model_hash", "scale".
void save_adapter(const Adapter& adapter, const std::filesystem::path& path);

bool is_adapter(const std::filesystem::path& path);  // by what the file says of itself

// Throws Error: a damaged file, another model than it was trained for.
std::vector<Adapter::Part> read_adapter(const std::filesystem::path& path, const Model& base);

}  // namespace gremium::lab
