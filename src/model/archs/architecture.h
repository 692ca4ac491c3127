// What one architecture's file provides: reading its metadata into a ModelSpec and back, and its Hugging Face names.
// GGUF's tensor names are the canonical ones.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/metadata.h"
#include "model/spec.h"

namespace gremium {

// One naming rule: canonical name ↔ Hugging Face name; "{l}" stands for the layer, "{e}" for the expert (then the Hugging
// Face tensors are one matrix an expert, the canonical one their stack).
struct NameRule {
    std::string_view canonical, hugging_face;
};

struct Architecture {
    std::string_view gguf_name;           // general.architecture, also the spec's `architecture`
    std::string_view hf_model_type;       // config.json model_type
    std::string_view hf_class;            // config.json architectures[0]
    ModelSpec (*from_gguf)(const Metadata& metadata, const std::string& source);
    ModelSpec (*from_hf)(const nlohmann::json& config, const std::string& source);
    void (*to_gguf)(const ModelSpec& spec, Metadata& metadata);
    nlohmann::json (*to_hf)(const ModelSpec& spec);
    std::span<const NameRule> names;      // beyond the common ones
    bool gguf_permutes_qk = false;        // GGUF stores q/k rows for interleaved rotation, Hugging Face for half-split
};

std::span<const Architecture> architectures();
const Architecture* find_architecture_by_gguf(std::string_view name);
const Architecture* find_architecture_by_hf(std::string_view model_type);

}  // namespace gremium
