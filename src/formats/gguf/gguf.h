// GGUF, version 3 (version 2 has the same layout): https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
// Little-endian files only. Every count, length and offset is checked against the file's size before it is
// used.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "formats/metadata.h"
#include "formats/tensor_index.h"
#include "formats/tensor_writer.h"

namespace gremium {

struct GgufFile {
    Metadata metadata;
    TensorIndex tensors;  // ne reversed to torch order; the index keeps the memory map alive
};

// Maps the file. Any part of a split model (NAME-00001-of-00003.gguf …) opens the whole; it then reads as one
// file without split keys. A tensor of a type that is not in the dtype table is an Error naming tensor and
// type.
GgufFile open_gguf(const std::filesystem::path& path);

// The same from bytes in memory (8-byte aligned), which must outlive the views. `source` is for error
// messages. A single file: split keys stay in the metadata.
GgufFile parse_gguf(std::span<const std::byte> bytes, const std::string& source);

// Writes a GGUF file (version 3) as a stream, so that the model need not fit in memory. Tensors are written
// as declared. The alignment is general.alignment of the metadata, or 32. The target appears when finish()
// returns, whole or not at all.
class GgufWriter : public TensorFileWriter {
  public:
    GgufWriter(const std::filesystem::path& path, const Metadata& metadata, std::vector<TensorDecl> tensors);
};

}  // namespace gremium
