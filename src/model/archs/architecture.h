// What one architecture's file provides: reading its metadata into a ModelSpec and back, and its Hugging Face
// names. GGUF's tensor names are the canonical ones.
#pragma once

#include <nlohmann/json.hpp>

#include <span>
#include <string>
#include <string_view>

#include "formats/hf.h"
#include "formats/metadata.h"
#include "model/spec.h"

namespace gremium {

// One naming rule: canonical name ↔ Hugging Face name, both without ".weight" or ".bias"; "{l}" stands for
// the layer, "{e}" for the expert (then the Hugging Face tensors are one matrix an expert, the canonical one
// their stack).
struct NameRule {
    std::string_view canonical, hugging_face;
};

// The readers give what the metadata say; what GGUF says by the presence of a tensor (tied head, biases,
// rotary divisors) the loader adds. They throw Error naming the file for a missing or unusable key. The
// writers write what their readers read; save_model checks that nothing of a spec was lost on the way.
struct Architecture {
    std::string_view name;           // the registry's, also the spec's `architecture`
    std::string_view gguf_name;      // general.architecture
    std::string_view hf_model_type;  // config.json model_type
    std::string_view hf_class;       // config.json architectures[0]
    bool experts;                    // its feed-forward layers are mixtures
    ModelSpec (*from_gguf)(const Metadata& metadata);
    ModelSpec (*from_hf)(const HfConfig& config);
    void (*to_gguf)(const ModelSpec& spec, Metadata& metadata);
    void (*to_hf)(const ModelSpec& spec, nlohmann::ordered_json& config);
    std::span<const NameRule> names;  // beyond the common ones
    // How GGUF files pair the rotated rows of q and k; Hugging Face's are half-split.
    kernels::RopePairing gguf_pairing = kernels::RopePairing::half_split;
    // What llama.cpp's loader of this architecture wants, at the price of repeated weights: output.weight
    // also when it is the embedding; keys and values for every head also when heads share them.
    bool gguf_needs_head = false, gguf_needs_own_keys = false;
};

std::span<const Architecture* const> architectures();
std::string supported_architectures();  // "dots1, llama, …", for messages

// By general.architecture, and by expert_count where dense and mixture share a name; by model_type; by the
// spec's own name. Throw Error naming the file and listing those supported.
const Architecture& architecture_of(const Metadata& metadata);
const Architecture& architecture_of(const HfConfig& config);
const Architecture& architecture_of(const ModelSpec& spec);

// The Hugging Face name of a canonical tensor, or of one expert's part of a stack.
std::string hf_name(const Architecture& architecture, const TensorSlot& slot);

}  // namespace gremium
