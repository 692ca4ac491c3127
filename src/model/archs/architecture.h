// What one architecture's file provides: a table of its fields, by which its metadata are read into a ModelSpec and
// written, and its Hugging Face names. GGUF's tensor names are the canonical ones.
#pragma once

#include <nlohmann/json.hpp>

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/hugging_face/hf.h"
#include "formats/metadata.h"
#include "model/archs/fields.h"
#include "model/spec/tensors.h"

namespace gremium {

namespace archs {
inline constexpr int max_layers = 4096;  // a file with more is refused before anything is made for each
}

// How a tensor of a file holds a canonical one; in stacks (of experts, of heads) each matrix so.
struct Layout {
    // The canonical matrix is made of these rows of the file's, or columns: all, the first, the last, those of even or
    // of odd index; or those behind the parts of slots listed before (q, k and v in one). Slots whose tensors have one
    // name share it.
    enum class Part : uint8_t { all, first, last, even, odd, next } part = Part::all;
    bool columns = false;
    bool transposed = false;  // the part is the canonical matrix transposed
    bool joined = false;      // the stack's matrices lie below each other in one
    friend bool operator==(const Layout&, const Layout&) = default;
    bool plain() const { return *this == Layout{}; }
};

// One naming rule: canonical name ↔ name in a file, both with or both without ".weight" or ".bias"; "{l}" stands for
// the layer, "{e}" for the expert (then the file's tensors are one matrix an expert, the canonical one their stack). A
// rule with "{a|b}" is for the decoder's tensors, which have a there, and the encoder's ("enc." before the canonical
// name), b.
struct NameRule {
    std::string_view canonical, file;
    Layout layout = {};
};

// Reading gives what the metadata say; what GGUF says by the presence of a tensor (tied head, biases, rotary divisors)
// the loader adds. Throws Error naming the file for a missing or unusable key. What is written is what would be read;
// save_model checks that nothing of a spec was lost on the way.
struct Architecture {
    std::string_view name;           // the registry's, also the spec's `architecture`
    std::string_view gguf_name;      // general.architecture
    std::string_view hf_model_type;  // config.json model_type, written and read; empty: GGUF is the only layout
    std::string_view hf_class;       // config.json architectures[0]
    bool experts;                    // its feed-forward layers are mixtures
    // Read and written in this order; of keys that come again, the last one's value counts.
    std::array<const archs::Fields*, 4> fields;
    std::span<const NameRule> names;  // Hugging Face's, beyond the common ones
    archs::HfDefaults hf_defaults = {};
    // GGUF's where they are not the canonical ones; those with a layout are found in older files.
    std::span<const NameRule> gguf_names = {};
    // How files pair the rotated rows of q and k.
    kernels::RopePairing gguf_pairing = kernels::RopePairing::half_split;
    kernels::RopePairing hf_pairing = kernels::RopePairing::half_split;
    std::array<std::string_view, 4> hf_aliases = {};  // what else model_type may be
    std::string_view hf_child = {};                   // the object in config.json that the fields may be in
    // Beginnings of names of tensors that are no part of the decoder; "{l}" is the number of its layers.
    std::span<const std::string_view> hf_ignored = {}, gguf_ignored = {};
    bool gguf_optional_qk_norm = false;  // q/k norms are those whose tensors there are
    // What llama.cpp's loader of this architecture wants, at the price of repeated weights: output.weight
    // also when it is the embedding; keys and values for every head also when heads share them.
    bool gguf_needs_head = false, gguf_needs_own_keys = false;
    bool gguf_joins_qkv = false;          // files have q, k and v in one tensor
    bool gguf_optional_sinks = false;     // in the layers whose tensor is there
    bool gguf_divisors_of_whole = false;  // those of rotary frequencies are not for windowed layers
    bool gguf_optional_shared = false;    // shared experts are there if their tensors are
    bool without_experts = false;         // its models can be dense though `experts`
    bool has_encoder = false;

    ModelSpec from_gguf(const Metadata& metadata) const;
    ModelSpec from_hf(const HfConfig& config) const;
    void to_gguf(const ModelSpec& spec, Metadata& metadata) const;
    void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) const;

  private:
    ModelSpec read(const archs::Input& in, kernels::RopePairing pairing) const;
    void write(const ModelSpec& spec, archs::Output& out) const;
    [[noreturn]] void refuse_hf(const std::string& where) const;
};

std::span<const Architecture* const> architectures();
std::string supported_architectures();  // "dots1, llama, …", for messages

// By general.architecture, and by expert_count where dense and mixture share a name; by model_type; by the
// spec's own name. Throw Error naming the file and listing those supported.
const Architecture& architecture_of(const Metadata& metadata);
const Architecture& architecture_of(const HfConfig& config);
const Architecture& architecture_of(const ModelSpec& spec);

// Where a file has a canonical tensor, or one expert's part of a stack.
struct Place {
    std::string name;
    Layout layout;
    bool each_expert = false;  // a tensor for every expert; of a whole stack, the first expert's is named
};
// In order of preference: the first is what is written.
std::vector<Place> hf_places(const Architecture& architecture, const TensorSlot& slot);
std::vector<Place> gguf_places(const Architecture& architecture, const TensorSlot& slot);
bool begins_with_any(std::string_view name, std::span<const std::string_view> beginnings, const ModelSpec& spec);

}  // namespace gremium
