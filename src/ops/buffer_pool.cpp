#include "ops/buffer_pool.h"

#include <algorithm>
#include <bit>

namespace gremium::ops {
namespace {

// Four sizes per power of two: at most a quarter is wasted, and buffers of nearly equal size can replace each other.
size_t size_class(size_t bytes) {
    const size_t quarter = std::max<size_t>(std::bit_floor(std::max<size_t>(bytes, 1)) / 4, 64);
    return (bytes + quarter - 1) / quarter * quarter;
}

}  // namespace

BufferPool::Buffer* BufferPool::take(size_t bytes) {
    bytes = size_class(std::max<size_t>(bytes, 1));
    std::vector<Buffer*>& free = free_[bytes];
    if (free.empty()) return &buffers_.emplace_back(Buffer{memory_.allocate(bytes), bytes, 1});
    Buffer* buffer = free.back();
    free.pop_back();
    buffer->owners = 1;
    return buffer;
}

void BufferPool::drop(Buffer* buffer) {
    if (buffer && --buffer->owners == 0) free_[buffer->bytes].push_back(buffer);
}

Scratch::Scratch(BufferPool& pool, DType dtype, Shape shape) : pool_(pool), tensor_{nullptr, dtype, shape} {
    buffer_ = pool_.take(static_cast<size_t>(tensor_.bytes()));
    tensor_.data = buffer_->data;
}

}  // namespace gremium::ops
