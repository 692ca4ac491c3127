// Memory for tensors that live and die together.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace gremium {

// Bump allocator over chunks that grow on demand and are kept for the next round. 64-byte aligned, uninitialised,
// backed by huge pages where the system offers them. Not thread-safe.
class Arena {
  public:
    explicit Arena(size_t chunk_bytes = size_t{8} << 20);
    ~Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    std::byte* allocate(size_t bytes);
    // Uninitialised.
    Tensor tensor(DType dtype, Shape shape);
    Tensor zeros(DType dtype, Shape shape);

    struct Mark {
        size_t chunk = 0, used = 0, total = 0;
    };
    Mark mark() const { return {current_, used_, total_}; }
    // Frees everything allocated since mark().
    void release(Mark mark);
    // Frees everything; keeps the chunks for reuse.
    void clear() { release({}); }
    size_t bytes_in_use() const { return total_; }
    size_t bytes_reserved() const;
    size_t peak_bytes() const { return peak_; }

  private:
    struct Chunk {
        std::byte* data;
        size_t size;
    };
    std::vector<Chunk> chunks_;
    size_t chunk_bytes_, current_ = 0, used_ = 0, total_ = 0, peak_ = 0;
};

// An owned tensor: 64-byte aligned, zero-initialised.
class OwnedTensor {
  public:
    OwnedTensor() = default;
    OwnedTensor(DType dtype, Shape shape);
    Tensor get() const { return tensor_; }
    operator Tensor() const { return tensor_; }
    operator TensorView() const { return tensor_; }
    explicit operator bool() const { return static_cast<bool>(tensor_); }

  private:
    struct Free {
        size_t bytes;
        void operator()(std::byte* data) const;
    };
    std::unique_ptr<std::byte, Free> memory_;
    Tensor tensor_;
};

}  // namespace gremium
