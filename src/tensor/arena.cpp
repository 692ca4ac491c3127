#include "tensor/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>

#include "base/error.h"

namespace gremium {
namespace {

constexpr size_t huge_page = size_t{2} << 20;
size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// Zeroed memory. Large allocations come directly from the operating system, are aligned for huge pages, and use
// physical memory only once they are touched.
std::byte* map_memory(size_t bytes) {
    if (bytes < huge_page) {
        auto* data = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64}));
        std::memset(data, 0, bytes);
        return data;
    }
    const size_t size = round_up(bytes, huge_page);
    void* const found =
        ::mmap(nullptr, size + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (found == MAP_FAILED) fail("cannot allocate {} bytes of memory", bytes);
    auto* const begin = static_cast<std::byte*>(found);
    const size_t before = round_up(reinterpret_cast<uintptr_t>(begin), huge_page) - reinterpret_cast<uintptr_t>(begin);
    if (before > 0) ::munmap(begin, before);
    ::munmap(begin + before + size, huge_page - before);
    ::madvise(begin + before, size, MADV_HUGEPAGE);
    return begin + before;
}

void unmap_memory(std::byte* data, size_t bytes) {
    if (!data) return;
    if (bytes < huge_page)
        ::operator delete (data, std::align_val_t{64});
    else
        ::munmap(data, round_up(bytes, huge_page));
}

}  // namespace

Arena::Arena(size_t chunk_bytes) : chunk_bytes_(chunk_bytes) {}

Arena::~Arena() {
    for (const Chunk& chunk : chunks_) unmap_memory(chunk.data, chunk.size);
}

std::byte* Arena::allocate(size_t bytes) {
    bytes = round_up(std::max<size_t>(bytes, 1), 64);
    while (current_ < chunks_.size() && used_ + bytes > chunks_[current_].size) {
        ++current_;
        used_ = 0;
    }
    if (current_ == chunks_.size()) {
        const size_t size = std::max(chunk_bytes_, round_up(bytes, huge_page));
        chunks_.push_back({map_memory(size), size});
    }
    std::byte* data = chunks_[current_].data + used_;
    used_ += bytes;
    total_ += bytes;
    peak_ = std::max(peak_, total_);
    return data;
}

Tensor Arena::tensor(DType dtype, Shape shape) {
    Tensor t{nullptr, dtype, shape};
    t.data = allocate(static_cast<size_t>(t.bytes()));
    return t;
}

Tensor Arena::zeros(DType dtype, Shape shape) {
    const Tensor t = tensor(dtype, shape);
    std::memset(t.data, 0, static_cast<size_t>(t.bytes()));
    return t;
}

void Arena::release(Mark mark) {
    current_ = mark.chunk;
    used_ = mark.used;
    total_ = mark.total;
}

size_t Arena::bytes_reserved() const {
    size_t sum = 0;
    for (const Chunk& chunk : chunks_) sum += chunk.size;
    return sum;
}

OwnedTensor::OwnedTensor(DType dtype, Shape shape) : tensor_{nullptr, dtype, shape} {
    const auto bytes = std::max<size_t>(static_cast<size_t>(tensor_.bytes()), 64);
    memory_ = {map_memory(bytes), Free{bytes}};
    tensor_.data = memory_.get();
}

void OwnedTensor::Free::operator()(std::byte* data) const { unmap_memory(data, bytes); }

}  // namespace gremium
