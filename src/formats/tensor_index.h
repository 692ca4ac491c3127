// The tensors of a model file (or of the files of a sharded model) by name. File bytes stay where they are,
// usually in a memory map; views into them are valid as long as some copy of the index lives.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "tensor/tensor.h"

namespace gremium {

// Shape in torch order (row-major, last dimension contiguous), whatever the file's own order is; names
// untouched. The data are aligned to the size of the type's elements.
struct TensorEntry {
    std::string name;
    TensorView view;
};

// A tensor this library cannot compute with (U8, I64, BOOL, F8_E5M2, more than four dimensions …): known by its bytes.
struct OpaqueEntry {
    std::string name;
    std::string dtype;  // as the file calls it
    std::vector<uint64_t> shape;
    std::span<const std::byte> bytes;
};

// What a writer needs to know of a tensor before its bytes.
struct TensorDecl {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;
};

// Bytes of a tensor. Error, naming `source` and the tensor, when its shape is negative, overflows, or its
// rows are not whole blocks of the type.
size_t checked_bytes(const TensorDecl& tensor, const std::string& source);

class TensorIndex {
  public:
    // `source` names the file in error messages.
    explicit TensorIndex(std::string source = "tensors") : source_(std::move(source)) {}

    // Error when the name is taken.
    void add(TensorEntry entry);
    void add_opaque(OpaqueEntry entry);
    void keep_alive(std::shared_ptr<const void> memory) { memory_.push_back(std::move(memory)); }
    // A file that the tensors are views of.
    void keep_alive(std::shared_ptr<const MappedFile> file) { files_.push_back(std::move(file)); }
    void merge(TensorIndex other);  // the tensors of a further file of the same model

    bool contains(std::string_view name) const { return find(name) != nullptr; }
    const TensorView* find(std::string_view name) const;          // nullptr when absent or opaque
    const OpaqueEntry* find_opaque(std::string_view name) const;  // nullptr when absent or not opaque

    // Errors name the file, the tensor, and what was expected and found.
    TensorView require(std::string_view name) const;
    TensorView require(std::string_view name, const Shape& shape) const;

    // In the order of the file's data (GGUF: of its tensor table).
    size_t size() const { return entries_.size(); }
    auto begin() const { return entries_.begin(); }
    auto end() const { return entries_.end(); }
    const std::vector<OpaqueEntry>& opaque() const { return opaque_; }
    std::vector<TensorDecl> declarations() const;

    const std::string& source() const { return source_; }
    const MappedFiles& files() const { return files_; }
    int64_t bytes() const;  // of all but opaque tensors

  private:
    struct Position {
        size_t index;
        bool opaque;
    };
    void claim(const std::string& name, Position position);

    std::string source_;
    std::vector<TensorEntry> entries_;
    std::vector<OpaqueEntry> opaque_;
    std::map<std::string, Position, std::less<>> positions_;
    std::vector<std::shared_ptr<const void>> memory_;
    MappedFiles files_;
};

}  // namespace gremium
