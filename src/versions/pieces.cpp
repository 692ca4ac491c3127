#include "versions/pieces.h"

#include <span>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "formats/in_quotes.h"
#include "tensor/arena.h"
#include "tensor/quantised/blocks.h"

namespace gremium::versions {
namespace {

std::span<const std::byte> bytes_of(TensorView view) { return {view.data, static_cast<size_t>(view.bytes())}; }

void add_as_f32(Piece& piece, const std::string& part, TensorView value) {
    if (value.dtype != DType::f32) {
        const auto copy = std::make_shared<const OwnedTensor>(DType::f32, value.shape);
        convert(value, *copy);
        value = *copy;
        piece.memory.push_back(copy);
    }
    piece.parts[part] = value;
}

bool is_matrix(const TensorSlot& slot) {
    return slot.role == TensorRole::embedding || slot.role == TensorRole::head || slot.role == TensorRole::matrix;
}

}  // namespace

int64_t Piece::bytes() const {
    int64_t sum = 0;
    for (const auto& [name, value] : parts) sum += value.bytes();
    return sum;
}

std::string Piece::hash() const {
    std::vector<std::string> heads;
    for (const auto& [name, value] : parts)
        heads.push_back(fmt::format("{} {} {}\n", name, info(value.dtype).name, to_string(value.shape)));
    std::vector<std::span<const std::byte>> spans;
    auto head = heads.begin();
    for (const auto& [name, value] : parts) {
        spans.push_back(std::as_bytes(std::span(*head++)));
        spans.push_back(bytes_of(value));
    }
    return content_hash_of_all(spans);
}

TensorView Piece::operator[](const std::string& part) const {
    const auto found = parts.find(part);
    return found == parts.end() ? TensorView{} : found->second;
}

Piece expert_piece(const Model& model, moe::ExpertId id) {
    const moe::ExpertWeights& weights = model.experts->peek(id);
    Piece piece;
    for (const ExpertPart& part : expert_parts)
        if (const ops::Weight& weight = weights.*part.weight) piece.parts[part.part] = weight.value;
    return piece;
}

Piece row_piece(const Model& model, moe::ExpertId id) {
    const MoeWeights& weights = model.weights.layers[static_cast<size_t>(id.layer)].moe();
    Piece piece;
    for (const RouterTensor& tensor : router_tensors) {
        const ops::Weight& weight = weights.*tensor.weight;
        if (!weight) continue;
        const int64_t width = weight.value.shape.rank == 1 ? 1 : weight.value.cols();
        const std::byte* row = weight.value.data + id.expert * row_bytes(weight.value.dtype, width);
        add_as_f32(piece, tensor.part, {row, weight.value.dtype, {width}});
    }
    return piece;
}

Piece tensor_piece(const NamedTensors& tensors, const TensorSlot& slot) {
    const TensorView value = tensors(slot);
    Piece piece;
    if (is_matrix(slot))
        piece.parts["tensor"] = value;
    else
        add_as_f32(piece, "tensor", value);
    return piece;
}

std::vector<TensorSlot> tensor_piece_slots(const ModelSpec& spec) {
    std::vector<TensorSlot> slots = tensor_slots(spec);
    std::erase_if(slots, [](const TensorSlot& slot) { return slot.of_experts() || slot.of_router(); });
    return slots;
}

void write_piece(const std::filesystem::path& path, const Piece& piece, const SafetensorsMetadata& metadata) {
    std::vector<TensorDecl> tensors;
    for (const auto& [name, value] : piece.parts) tensors.push_back({name, value.dtype, value.shape});
    SafetensorsWriter writer(path, std::move(tensors), metadata, BlockTypes::as_bytes);
    for (const TensorDecl& tensor : writer.tensors()) writer.write(tensor.name, piece.parts.at(tensor.name));
    writer.finish();
}

Piece read_piece(const SafetensorsFile& file) {
    const auto kept = std::make_shared<const SafetensorsFile>(file);
    Piece piece;
    const auto add = [&](const std::string& name) {
        const TensorView value = stored_tensor(*kept, name);
        if (!is_float(value.dtype) && !is_quantised(value.dtype))
            fail("{}: tensor {} is {}, expected real numbers", kept->tensors.source(), in_quotes(name),
                 info(value.dtype).name);
        if (value.count() == 0) fail("{}: tensor {} is empty", kept->tensors.source(), in_quotes(name));
        piece.parts[name] = value;
    };
    for (const TensorEntry& entry : kept->tensors) add(entry.name);
    for (const OpaqueEntry& entry : kept->tensors.opaque()) add(entry.name);
    piece.memory.push_back(kept);
    return piece;
}

Piece read_piece(const std::filesystem::path& path) { return read_piece(open_safetensors(path)); }

}  // namespace gremium::versions
