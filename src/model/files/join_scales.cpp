#include "model/files/join_scales.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/parallel.h"
#include "tensor/float_formats.h"
#include "tensor/quantised/block_types.h"
#include "tensor/quantised/blocks.h"

namespace gremium {

namespace {

constexpr size_t nibble_bytes = 16;

// The first of many numbers that are looked at in parallel.
class FirstUnusable {
  public:
    void note(int64_t index) {
        int64_t known = first_;
        while (index < known && !first_.compare_exchange_weak(known, index)) {
        }
    }
    explicit operator bool() const { return first_ != none; }
    int64_t index() const { return first_; }

  private:
    static constexpr int64_t none = std::numeric_limits<int64_t>::max();
    std::atomic<int64_t> first_ = none;
};

Shape blocks_in(F8Block matrix, F8Block block) {
    const auto pieces = [](int64_t n, int64_t size) { return (n + size - 1) / size; };
    return {pieces(matrix.rows, block.rows), pieces(matrix.cols, block.cols)};
}

// What one scale is for. No rows: scales of such a shape are none of these matrices.
F8Block block_of(const Shape& scales, int64_t matrices, F8Block matrix, F8Block said) {
    int64_t count = 1;
    for (int i = 0; i < scales.rank; ++i) count *= scales[i];
    const Shape pieces = blocks_in(matrix, said);
    const int tail = scales.rank - 2;
    const bool all = count == matrices * pieces[0] * pieces[1];
    if (all && tail >= 0 && scales[tail] == pieces[0] && scales[tail + 1] == pieces[1]) return said;
    if (count == 1 || count == matrices) return matrix;
    const bool by_row = count == matrices * matrix.rows && (scales[scales.rank - 1] == 1 || tail < 0);
    return by_row ? F8Block{1, matrix.cols} : F8Block{0, 0};
}

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

OwnedTensor scale_f8(TensorView weights, TensorView scales, const std::string& name, const std::string& source,
                     F8Block block) {
    const int64_t cols = weights.cols(), matrices = weights.shape.rank == 3 ? weights.shape[0] : 1;
    const int64_t rows = weights.rows() / std::max<int64_t>(1, matrices);
    block = block_of(scales.shape, matrices, {rows, cols}, block);
    if (weights.shape.rank < 2 || block.rows == 0 || !is_float(scales.dtype))
        fail("{}: tensor {}: scales of type {} and shape {}, expected {} numbers a matrix", source, name,
             info(scales.dtype).name, to_string(scales.shape), to_string(blocks_in({rows, cols}, F8Block{})));
    const std::vector<float> scale = to_floats(scales);
    const Shape per_matrix = blocks_in({rows, cols}, block);
    const bool shared = scales.count() == 1;
    OwnedTensor scaled(DType::bf16, weights.shape);
    FirstUnusable unusable;
    parallel_chunks(matrices * rows, 16, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const auto* in = reinterpret_cast<const uint8_t*>(weights.data) + r * cols;
            const int64_t of_row = (r / rows * per_matrix[0] + r % rows / block.rows) * per_matrix[1];
            uint16_t* out = scaled.get().bf16() + r * cols;
            for (int64_t c = 0; c < cols; ++c) {
                const float s = scale[static_cast<size_t>(shared ? 0 : of_row + c / block.cols)];
                const float value = f8_e4m3_to_f32(in[c]) * s;
                out[c] = f32_to_bf16(value);
                if (!std::isfinite(value)) unusable.note(r * cols + c);
            }
        }
    });
    if (unusable)
        fail("{}: tensor {}: row {}, column {} is no finite number", source, name, unusable.index() / cols,
             unusable.index() % cols);
    return scaled;
}

bool becomes_f32(const OpaqueEntry& tensor) { return tensor.dtype == "F64" || tensor.dtype == "F8_E8M0"; }

OwnedTensor opaque_as_f32(const OpaqueEntry& tensor, const std::string& source) {
    Shape shape;
    if (!becomes_f32(tensor) || tensor.shape.size() > Shape::max_rank)
        fail("{}: tensor {} has type {} and {} dimensions, which is not supported", source, tensor.name, tensor.dtype,
             tensor.shape.size());
    for (const uint64_t dim : tensor.shape) shape.dim[static_cast<size_t>(shape.rank++)] = static_cast<int64_t>(dim);
    OwnedTensor numbers(DType::f32, shape);
    float* const out = numbers.get().f32();
    const bool powers = tensor.dtype == "F8_E8M0";
    FirstUnusable unusable;
    parallel_chunks(numbers.get().count(), 4096, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            double value = 0;
            if (powers) {
                const uint8_t code = byte_at(tensor, static_cast<size_t>(i));
                value = code == 255 ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, code - 127);
            } else {
                std::memcpy(&value, tensor.bytes.data() + static_cast<size_t>(i) * sizeof(double), sizeof(double));
            }
            out[i] = static_cast<float>(value);
            if (!std::isfinite(out[i])) unusable.note(i);
        }
    });
    if (unusable)
        fail("{}: tensor {}: number {} is not finite, or too large for f32", source, tensor.name, unusable.index());
    return numbers;
}

}  // namespace gremium
