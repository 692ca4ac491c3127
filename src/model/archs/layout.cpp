#include "model/archs/layout.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/parallel.h"

namespace gremium::archs {

namespace {

using Part = Layout::Part;

// Where row or column i of a part of n lies among N; a `next` part begins at `begin`.
int64_t place_in(Part part, int64_t i, int64_t n, int64_t N, int64_t begin) {
    switch (part) {
        case Part::last:
            return N - n + i;
        case Part::even:
            return 2 * i;
        case Part::odd:
            return 2 * i + 1;
        case Part::next:
            return begin + i;
        default:
            return i;
    }
}

// Number (m, r, c) of a tensor is origin + m·matrix + r·row + c·col numbers from where its bytes begin.
struct Steps {
    int64_t origin, matrix, row, col;
};

Steps steps_of(const Matrices& shape) { return {0, shape.rows * shape.cols, shape.cols, 1}; }

Steps steps_in_file(const Matrices& shape, const Matrices& file, const Layout& layout, int64_t begin) {
    const int64_t n = extent_of(layout, shape), N = layout.columns ? file.cols : file.rows;
    const auto at = [&](int64_t row, int64_t col) {
        if (layout.transposed) std::swap(row, col);
        int64_t& placed = layout.columns ? col : row;
        placed = place_in(layout.part, placed, n, N, begin);
        return row * file.cols + col;
    };
    const int64_t origin = at(0, 0);
    return {origin, file.rows * file.cols, at(1, 0) - origin, at(0, 1) - origin};
}

constexpr int64_t tile = 32;  // of 16-bit numbers a cache line

// visit(r, c), in the order in which they lie.
template <typename Visit>
void for_each_number(const Steps& s, int64_t rows, int64_t cols, Visit&& visit) {
    if (s.col == 1) {
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t c = 0; c < cols; ++c) visit(r, c);
    } else {
        for (int64_t c = 0; c < cols; ++c)
            for (int64_t r = 0; r < rows; ++r) visit(r, c);
    }
}

// Tile by tile, so that what lies together is read together, and written together.
template <typename Bits>
void copy_numbers(std::byte* to, const Steps& t, const std::byte* from, const Steps& f, int64_t rows, int64_t cols) {
    constexpr auto size = static_cast<int64_t>(sizeof(Bits));
    Bits numbers[tile][tile];
    for (int64_t begin = 0; begin < cols; begin += tile) {
        const int64_t n = std::min(tile, cols - begin);
        std::byte* const out = to + begin * t.col * size;
        const std::byte* const in = from + begin * f.col * size;
        for_each_number(f, rows, n, [&](int64_t r, int64_t c) {
            std::memcpy(&numbers[r][c], in + (r * f.row + c * f.col) * size, sizeof(Bits));
        });
        for_each_number(t, rows, n, [&](int64_t r, int64_t c) {
            std::memcpy(out + (r * t.row + c * t.col) * size, &numbers[r][c], sizeof(Bits));
        });
    }
}

void copy(std::byte* to, const Steps& t, const std::byte* from, const Steps& f, const Matrices& shape, DType type) {
    const int64_t tiles = (shape.rows + tile - 1) / tile;
    parallel_for(shape.count * tiles, [&](int64_t i) {
        const int64_t m = i / tiles, first = i % tiles * tile, rows = std::min(tile, shape.rows - first);
        const auto beginning = [&](const Steps& s) { return row_bytes(type, s.origin + m * s.matrix + first * s.row); };
        std::byte* const out = to + beginning(t);
        const std::byte* const in = from + beginning(f);
        if (t.col != 1 || f.col != 1) {
            const bool narrow = row_bytes(type, 1) == 2;
            (narrow ? copy_numbers<uint16_t> : copy_numbers<uint32_t>)(out, t, in, f, rows, shape.cols);
            return;
        }
        for (int64_t r = 0; r < rows; ++r)
            std::memcpy(out + row_bytes(type, r * t.row), in + row_bytes(type, r * f.row),
                        static_cast<size_t>(row_bytes(type, shape.cols)));
    });
}

// A vector that stands for a matrix of one row.
bool is_row(const TensorSlot& slot) { return slot.role == TensorRole::shared_gate; }

class Grouping {
  public:
    void add(const Place& place, const TensorSlot& slot) {
        const auto [known, added] = index_.emplace(place.name, tensors_.size());
        if (added) tensors_.push_back({place.name, {}, {}});
        std::vector<FileTensor::Piece>& pieces = tensors_[known->second].pieces;
        int64_t begin = 0;
        for (const FileTensor::Piece& before : pieces) begin += extent_of(before.layout, matrices_of(before.slot));
        pieces.push_back({slot, place.layout, begin});
    }
    std::vector<FileTensor> finish() {
        for (FileTensor& tensor : tensors_) tensor.shape = shape_of(tensor);
        return std::move(tensors_);
    }

  private:
    static Shape shape_of(const FileTensor& tensor) {
        const auto& [slot, layout, begin] = tensor.pieces.front();
        if (tensor.plain()) return slot.shape;
        const Matrices m = tensor.matrices();
        if (layout.joined) return {m.count * m.rows, m.cols};
        if (slot.shape.rank == 1 && !layout.transposed) return {m.rows};
        if (slot.role == TensorRole::expert_bias) return {m.count, m.rows};
        return slot.shape.rank == 3 ? Shape{m.count, m.rows, m.cols} : Shape{m.rows, m.cols};
    }

    std::vector<FileTensor> tensors_;
    std::map<std::string, size_t> index_;
};

}  // namespace

Matrices matrices_of(const TensorSlot& slot) {
    const Shape& s = slot.shape;
    if (s.rank == 3) return {s[0], s[1], s[2]};
    if (s.rank == 2 && slot.role == TensorRole::expert_bias) return {s[0], s[1], 1};
    return {1, s[0], s.rank == 2 ? s[1] : 1};
}

int64_t extent_of(const Layout& layout, const Matrices& canonical) {
    return layout.columns == layout.transposed ? canonical.rows : canonical.cols;
}

Matrices in_file(const Layout& layout, const Matrices& canonical, int64_t extent) {
    Matrices file = canonical;
    if (layout.transposed) std::swap(file.rows, file.cols);
    (layout.columns ? file.cols : file.rows) = extent;
    return file;
}

Matrices FileTensor::matrices() const {
    int64_t extent = 0;
    for (const Piece& piece : pieces) extent += extent_of(piece.layout, matrices_of(piece.slot));
    return in_file(pieces.front().layout, matrices_of(pieces.front().slot), extent);
}

void gather(std::byte* canonical, const Matrices& shape, const std::byte* file, const Matrices& file_shape,
            const Layout& layout, DType type, int64_t begin) {
    copy(canonical, steps_of(shape), file, steps_in_file(shape, file_shape, layout, begin), shape, type);
}

void scatter(const std::byte* canonical, const Matrices& shape, std::byte* file, const Matrices& file_shape,
             const Layout& layout, DType type, int64_t begin) {
    copy(file, steps_in_file(shape, file_shape, layout, begin), canonical, steps_of(shape), shape, type);
}

std::vector<FileTensor> hf_tensors(const Architecture& architecture, const ModelSpec& spec) {
    Grouping grouping;
    for (TensorSlot slot : tensor_slots(spec)) {
        const Place place = hf_places(architecture, slot).front();
        if (is_row(slot)) slot.shape = {1, slot.shape[0]};
        if (slot.role == TensorRole::filter) slot.shape = {slot.shape[0], 1, slot.shape[1]};
        if (!place.each_expert) {
            grouping.add(place, slot);
            continue;
        }
        for (int e = 0; e < slot.shape[0]; ++e) {
            const TensorSlot part = part_of(slot, e);
            grouping.add(hf_places(architecture, part).front(), part);
        }
    }
    return grouping.finish();
}

std::vector<FileTensor> gguf_tensors(const Architecture& architecture, const ModelSpec& spec) {
    Grouping grouping;
    for (const TensorSlot& slot : tensor_slots(spec)) grouping.add(gguf_places(architecture, slot).front(), slot);
    return grouping.finish();
}

}  // namespace gremium::archs
