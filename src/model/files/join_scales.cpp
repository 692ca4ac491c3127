#include "model/files/join_scales.h"

#include "base/error.h"
#include "base/parallel.h"
#include "tensor/float_formats.h"
#include "tensor/quantised/block_types.h"

namespace gremium {

namespace {

constexpr int64_t f8_block = 128;
constexpr size_t nibble_bytes = 16;

uint8_t byte_at(const OpaqueEntry& tensor, size_t i) { return static_cast<uint8_t>(tensor.bytes[i]); }

// Weights j and j + 16 share a byte here.
BlockMXFP4 join_block(const OpaqueEntry& blocks, size_t block, uint8_t scale) {
    BlockMXFP4 joined{.e = scale, .q = {}};
    const auto weight = [&](size_t k) {
        const uint8_t pair = byte_at(blocks, block * nibble_bytes + k / 2);
        return k % 2 == 0 ? pair & 15 : pair >> 4;
    };
    for (size_t j = 0; j < nibble_bytes; ++j)
        joined.q[j] = static_cast<uint8_t>(weight(j) | weight(j + nibble_bytes) << 4);
    return joined;
}

}  // namespace

OwnedTensor join_mxfp4(const OpaqueEntry& blocks, const OpaqueEntry& scales, const std::string& source) {
    std::vector<uint64_t> per_block = blocks.shape;
    const bool rows_of_blocks = per_block.size() >= 3 && per_block.size() <= 4 && per_block.back() == nibble_bytes;
    if (rows_of_blocks) per_block.pop_back();
    if (!rows_of_blocks || per_block != scales.shape || blocks.dtype != "U8" || scales.dtype != "U8" ||
        blocks.bytes.size() != scales.bytes.size() * nibble_bytes)
        fail("{}: tensors {} and {} are no pair of MXFP4 blocks and scales", source, blocks.name, scales.name);
    Shape shape;
    for (const uint64_t dim : per_block) shape.dim[static_cast<size_t>(shape.rank++)] = static_cast<int64_t>(dim);
    shape.dim[static_cast<size_t>(shape.rank - 1)] *= BlockMXFP4::size;

    OwnedTensor joined(DType::mxfp4, shape);
    auto* out = reinterpret_cast<BlockMXFP4*>(joined.get().data);
    parallel_chunks(static_cast<int64_t>(scales.bytes.size()), 4096, [&](int64_t begin, int64_t end) {
        for (auto b = static_cast<size_t>(begin); b < static_cast<size_t>(end); ++b)
            out[b] = join_block(blocks, b, byte_at(scales, b));
    });
    return joined;
}

OwnedTensor scale_f8(TensorView weights, TensorView scales, const std::string& name, const std::string& source) {
    const auto blocks = [](int64_t n) { return (n + f8_block - 1) / f8_block; };
    const Shape expected{blocks(weights.rows()), blocks(weights.cols())};
    if (weights.shape.rank != 2 || scales.shape != expected || scales.dtype != DType::f32)
        fail("{}: tensor {}: scales of shape {}, expected f32 {}", source, name, to_string(scales.shape),
             to_string(expected));
    OwnedTensor scaled(DType::bf16, weights.shape);
    const int64_t cols = weights.cols();
    parallel_chunks(weights.rows(), 16, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const auto* in = reinterpret_cast<const uint8_t*>(weights.row(r));
            const float* scale = scales.f32() + r / f8_block * expected[1];
            uint16_t* out = scaled.get().bf16() + r * cols;
            for (int64_t c = 0; c < cols; ++c) out[c] = f32_to_bf16(f8_e4m3_to_f32(in[c]) * scale[c / f8_block]);
        }
    });
    return scaled;
}

}  // namespace gremium
