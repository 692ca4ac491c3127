// Where the tensors of a model go when it is written: GGUF, safetensors and sharded safetensors look alike to a caller.
//
//     for (const TensorDecl& t : writer.tensors()) writer.write(t.name, weights(t));
//     writer.finish();
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "formats/tensor_index.h"

namespace gremium {

class TensorWriter {
  public:
    virtual ~TensorWriter() = default;

    // The tensors in the order in which they must be written, which is the file format's.
    const std::vector<TensorDecl>& tensors() const { return tensors_; }
    // The bytes of the next tensor, in one piece or several. Error when they are not those of the next tensor.
    virtual void write(std::string_view name, std::span<const std::byte> bytes) = 0;
    void write(std::string_view name, TensorView tensor);  // a whole one; checks type and shape too
    // Makes the result appear. Error when bytes are missing. Without it nothing is left behind.
    virtual void finish() = 0;

  protected:
    explicit TensorWriter(std::string source) : source_(std::move(source)) {}

    std::string source_;  // names the target in error messages
    std::vector<TensorDecl> tensors_;
};

// One file: a header, then the tensors in order, each padded to the alignment with zeros.
class TensorFileWriter : public TensorWriter {
  public:
    using TensorWriter::write;
    void write(std::string_view name, std::span<const std::byte> bytes) override;
    void finish() override;

  protected:
    TensorFileWriter(const std::filesystem::path& path, size_t alignment);
    // Declares the tensors and writes what precedes their data, padded to the alignment.
    void start(std::vector<TensorDecl> tensors, std::string_view header);

  private:
    void pad();

    AtomicFile file_;
    size_t alignment_;
    size_t current_ = 0, written_ = 0;  // the tensor being written; its bytes so far
};

// Bytes of a tensor. Error, naming `source` and the tensor, when its shape is negative, overflows, or its rows are not
// whole blocks of the type.
size_t checked_bytes(const TensorDecl& tensor, const std::string& source);

}  // namespace gremium
