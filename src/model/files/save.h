// Model → GGUF file or Hugging Face directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "model/files/importance.h"
#include "model/model.h"
#include "model/spec/tensors.h"

namespace gremium {

enum class Container : uint8_t { gguf, hugging_face };
struct SaveProgress {
    size_t tensor, tensors;  // the one being written, from 0, and how many there are
    std::string_view name;   // in the file
    DType dtype;
};
struct SaveOptions {
    Container container = Container::gguf;
    // Of matrices; norms, biases and routers stay f32 (GGUF's habit). Types whose blocks do not divide the
    // rows give way to others (mixtures.h, fitting_type).
    DType dtype = DType::f32;
    // Overrules dtype for one matrix of the model as it is written (mixtures.h has such mixtures); file_type is
    // then GGUF's general.file_type, unless it is dtype's.
    std::function<DType(const ModelSpec& written, const TensorSlot& slot)> type_of = {};
    int32_t file_type = -1;
    // How much each column of a matrix, or of one of a stack, matters to a quantiser; empty: all the same.
    std::function<std::span<const float>(const TensorSlot& slot, int matrix)> importance = {};
    std::optional<Importance::Origin> importance_origin = {};  // GGUF says it
    int64_t shard_bytes = 5'000'000'000;                       // of tensors in one file of a Hugging Face directory
    std::function<void(const SaveProgress&)> progress = {};
};
// Writes atomically (file or directory). Tensors by canonical name from the model (layout differences of the
// target, e.g. permuted q/k rows of GGUF's llama, are applied here). Throws Error when the container cannot
// say what the spec says.
void save_model(const Model& model, const std::filesystem::path& path, const SaveOptions& options = {});

}  // namespace gremium
