// Adapters in the layout of PEFT (https://github.com/huggingface/peft): a directory of adapter_config.json and
// adapter_model.safetensors, whose tensors have the names of the modules that they change:
// "base_model.model.model.layers.0.mlp.experts.2.gate_proj.lora_A.weight" [r, K] and "….lora_B.weight" [N, r].
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "lab/edit/adapter.h"

namespace gremium::lab {

// Whether a path is a directory, or a file beside which there is an adapter_config.json.
bool may_be_peft(const std::filesystem::path& path);

// Changes to experts' matrices and routers, each with its scale: lora_alpha / r, or lora_alpha / √r (use_rslora), by
// module (rank_pattern, alpha_pattern). Throws Error, naming it, for what changes anything else or in another way.
std::vector<Adapter::Part> read_peft(const std::filesystem::path& path, const ModelSpec& spec);

// Throws Error where files of the architecture hold the tensors otherwise than as a matrix each: PEFT has no modules
// then.
void require_peft_modules(const ModelSpec& spec, std::span<const TensorSlot> slots);
// The directory appears whole. `base_model` is noted as what the adapter was trained for.
void save_peft(const Adapter& adapter, const ModelSpec& spec, const std::filesystem::path& directory,
               const std::string& base_model);

}  // namespace gremium::lab
