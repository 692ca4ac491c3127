// safetensors, a JSON header and the raw bytes of the tensors: https://github.com/huggingface/safetensors
// Files are validated as the reference reader does: a header of at most 100 MB, tensors that tile the data
// without gap or overlap.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tensor_index.h"
#include "formats/tensor_writer.h"

namespace gremium {

using SafetensorsMetadata = std::map<std::string, std::string>;  // the header's "__metadata__"

struct SafetensorsFile {
    SafetensorsMetadata metadata;
    TensorIndex tensors;  // views into the memory map, which the index keeps alive
};

// Maps one file. The format promises no alignment: a tensor that is not aligned to its elements is copied to memory.
SafetensorsFile open_safetensors(const std::filesystem::path& path);

// Opens every file that a model.safetensors.index.json names and checks that each holds what the index says.
SafetensorsFile open_safetensors_index(const std::filesystem::path& index_json);

// The same as open_safetensors from bytes in memory, which must outlive the views.
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, const std::string& source);

// As the reference writer sorts: element size descending, then name.
std::vector<TensorDecl> canonical_order(std::vector<TensorDecl> tensors);

// Block-quantised types have no name in safetensors. as_bytes: such a tensor is written as rows of U8, and the metadata
// say what they are: "TENSOR.type" is "q8_0".
enum class BlockTypes : uint8_t { refuse, as_bytes };

// Writes one file as a stream, tensors in canonical order. The target appears when finish() returns.
class SafetensorsWriter : public TensorFileWriter {
  public:
    SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorDecl> tensors,
                      SafetensorsMetadata metadata = {{"format", "pt"}}, BlockTypes blocks = BlockTypes::refuse);
};

// A tensor as it was given to the writer, block-quantised ones too. Error where there is none such.
TensorView stored_tensor(const SafetensorsFile& file, const std::string& name);

struct ShardOptions {
    // Of tensor data in a shard; a larger tensor has a shard of its own.
    int64_t max_bytes = 5'000'000'000;
    SafetensorsMetadata metadata = {{"format", "pt"}};
};

// Writes DIRECTORY/model.safetensors, or, above the limit, model-00001-of-000NN.safetensors … and
// model.safetensors.index.json. Each file appears whole; the index last, and the model's earlier weight files
// of the other kind are then removed.
class ShardedSafetensorsWriter : public TensorWriter {
  public:
    ShardedSafetensorsWriter(std::filesystem::path directory, std::vector<TensorDecl> tensors,
                             ShardOptions options = {});

  private:
    void put(std::span<const std::byte> bytes) override;
    void end_tensor() override;
    void commit() override;
    std::string file_name(size_t shard) const;
    void open_shard();

    std::filesystem::path directory_;
    ShardOptions options_;
    std::vector<size_t> shard_ends_;  // position in tensors() after the last of each shard
    size_t shard_ = 0, done_ = 0;     // the shard being written; tensors written so far
    size_t total_bytes_ = 0;
    std::unique_ptr<SafetensorsWriter> writer_;
};

}  // namespace gremium
