// Recycled memory for gradients and scratch. The buffer returned last is taken next, while it is still in the cache,
// and after its first step training allocates nothing.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <vector>

#include "tensor/arena.h"

namespace gremium::ops {

class BufferPool {
  public:
    struct Buffer {
        std::byte* data;
        size_t bytes;
        // A buffer may be shared; it is free again when the last owner drops it.
        int owners;
    };

    // Uninitialised, 64-byte aligned, with one owner.
    Buffer* take(size_t bytes);
    // `buffer` may be null.
    void drop(Buffer* buffer);
    size_t bytes_reserved() const { return memory_.bytes_reserved(); }

  private:
    Arena memory_;
    std::deque<Buffer> buffers_;
    std::map<size_t, std::vector<Buffer*>> free_;  // by size
};

// A temporary tensor from the pool.
class Scratch {
  public:
    Scratch(BufferPool& pool, DType dtype, Shape shape);
    Scratch(Scratch&& other) noexcept : pool_(other.pool_), buffer_(other.buffer_), tensor_(other.tensor_) {
        other.buffer_ = nullptr;
    }
    Scratch& operator=(Scratch&&) = delete;
    ~Scratch() { pool_.drop(buffer_); }

    Tensor get() const { return tensor_; }
    operator Tensor() const { return tensor_; }
    operator TensorView() const { return tensor_; }

  private:
    BufferPool& pool_;
    BufferPool::Buffer* buffer_;
    Tensor tensor_;
};

}  // namespace gremium::ops
