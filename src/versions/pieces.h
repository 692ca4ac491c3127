// What versions of a model are made of: pieces, each known by the hash of its content.
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

// The weights of one expert (parts gate, up, down and their biases, as they are stored), its row of the router (row,
// bias, correction: f32), or another tensor (tensor).
struct Piece {
    std::map<std::string, TensorView> parts;
    std::vector<std::shared_ptr<const void>> memory;  // of parts that are no views of a model's weights

    int64_t bytes() const;
    // Of names, types, shapes and bytes.
    std::string hash() const;
    // Empty where there is no such part.
    TensorView operator[](const std::string& part) const;
};

// The model must outlive the piece.
Piece expert_piece(const Model& model, moe::ExpertId id);
Piece row_piece(const Model& model, moe::ExpertId id);
// Of a slot that neither experts nor routers have. Matrices as they are stored, all else in f32, as files hold it.
Piece tensor_piece(const NamedTensors& tensors, const TensorSlot& slot);
std::vector<TensorSlot> tensor_piece_slots(const ModelSpec& spec);

// The tensors of a router: the part's name in a piece, and which of the model's it is.
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

// A piece as a safetensors file, in which quantised tensors are rows of bytes (formats/safetensors/safetensors.h).
// Written whole or not at all. Reading throws Error for what is no such file; whether it is the piece wanted, its hash
// says.
void write_piece(const std::filesystem::path& path, const Piece& piece, const SafetensorsMetadata& metadata);
Piece read_piece(const SafetensorsFile& file);
Piece read_piece(const std::filesystem::path& path);

}  // namespace gremium::versions
