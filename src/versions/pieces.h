// Versions of a model consist of pieces, each identified by the hash of its content.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/safetensors/safetensors.h"
#include "model/model.h"
#include "model/spec/tensors.h"
#include "versions/named_tensors.h"

namespace gremium::versions {

// The weights of one expert (parts gate, up, down and their biases, in their stored types), its router row (parts row,
// bias and correction, f32), or another tensor (part tensor).
struct Piece {
    std::map<std::string, TensorView> parts;
    // Owns the parts that are not views of a model's weights.
    std::vector<std::shared_ptr<const void>> memory;

    int64_t bytes() const;
    // The hash of names, types, shapes and bytes of all parts.
    std::string hash() const;
    // Empty if there is no such part.
    TensorView operator[](const std::string& part) const;
};

// The model must outlive the piece.
Piece expert_piece(const Model& model, moe::ExpertId id);
Piece row_piece(const Model& model, moe::ExpertId id);
// The piece of a slot that belongs to neither experts nor routers. Matrices keep their stored type; everything else is
// f32, as in files.
Piece tensor_piece(const NamedTensors& tensors, const TensorSlot& slot);
std::vector<TensorSlot> tensor_piece_slots(const ModelSpec& spec);

// The tensors of a router: the name of the part in a piece, and the member of the model's weights.
struct RouterTensor {
    const char* part;
    TensorRole role;
    ops::Weight MoeWeights::*weight;
};
inline constexpr RouterTensor router_tensors[] = {
    {"row", TensorRole::router, &MoeWeights::router},
    {"bias", TensorRole::router_bias, &MoeWeights::router_bias},
    {"correction", TensorRole::correction, &MoeWeights::correction},
};
// The parts of an expert.
struct ExpertPart {
    const char* part;
    ops::Weight moe::ExpertWeights::*weight;
};
inline constexpr ExpertPart expert_parts[] = {
    {"gate", &moe::ExpertWeights::gate},       {"up", &moe::ExpertWeights::up},
    {"down", &moe::ExpertWeights::down},       {"gate_bias", &moe::ExpertWeights::gate_bias},
    {"up_bias", &moe::ExpertWeights::up_bias}, {"down_bias", &moe::ExpertWeights::down_bias},
};

// A piece as a safetensors file, in which quantised tensors are rows of bytes (formats/safetensors/safetensors.h). The
// file appears complete or not at all. Reading throws Error for other files; compare hash() to know that it is the
// piece you want.
void write_piece(const std::filesystem::path& path, const Piece& piece, const SafetensorsMetadata& metadata);
Piece read_piece(const SafetensorsFile& file);
Piece read_piece(const std::filesystem::path& path);

}  // namespace gremium::versions
