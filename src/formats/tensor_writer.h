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
    // Bytes of the next tensor, in one piece or several. Error when they are not those of the next tensor.
    void write(std::string_view name, std::span<const std::byte> bytes);
    void write(std::string_view name, TensorView tensor);  // a whole one; checks type and shape too
    // Makes the result appear. Error when bytes are missing. Without it the target stays as it was.
    void finish();

  protected:
    explicit TensorWriter(std::string source) : source_(std::move(source)) {}
    const TensorDecl& current() const { return tensors_[current_]; }

    virtual void put(std::span<const std::byte> bytes) = 0;  // of the current tensor
    virtual void end_tensor() = 0;
    virtual void commit() = 0;

    std::string source_;  // names the target in error messages
    std::vector<TensorDecl> tensors_;

  private:
    void expect(std::string_view name) const;

    size_t current_ = 0, written_ = 0;  // the tensor being written; its bytes so far
};

// One file: a header, then the tensors in order, each padded to the alignment with zeros.
class TensorFileWriter : public TensorWriter {
  protected:
    TensorFileWriter(const std::filesystem::path& path, size_t alignment);
    // Declares the tensors and writes what precedes their data, padded to the alignment when there are any.
    void start(std::vector<TensorDecl> tensors, std::string_view header);

    void put(std::span<const std::byte> bytes) override { file_.write(bytes); }
    void end_tensor() override { pad(); }
    void commit() override { file_.commit(); }

  private:
    void pad();

    AtomicFile file_;
    size_t alignment_;
};

}  // namespace gremium
