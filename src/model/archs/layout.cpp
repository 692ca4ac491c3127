#include "model/archs/layout.h"

#include <cstring>
#include <map>

#include "base/parallel.h"

namespace gremium::archs {

namespace {

using Part = Layout::Part;

// Where row or column i of a part of n lies among N.
int64_t place_in(Part part, int64_t i, int64_t n, int64_t N) {
    switch (part) {
        case Part::last:
            return N - n + i;
        case Part::even:
            return 2 * i;
        case Part::odd:
            return 2 * i + 1;
        default:
            return i;
    }
}

template <typename Bits>
void copy_apart(std::byte* to, int64_t to_step, const std::byte* from, int64_t from_step, int64_t n) {
    constexpr auto size = static_cast<int64_t>(sizeof(Bits));
    for (int64_t i = 0; i < n; ++i)
        std::memcpy(to + i * to_step * size, from + i * from_step * size, sizeof(Bits));
}

// n numbers that lie so many numbers apart.
void copy_numbers(std::byte* to, int64_t to_step, const std::byte* from, int64_t from_step, int64_t n,
                  DType type) {
    if (to_step == 1 && from_step == 1)
        std::memcpy(to, from, static_cast<size_t>(row_bytes(type, n)));
    else if (row_bytes(type, 1) == 2)
        copy_apart<uint16_t>(to, to_step, from, from_step, n);
    else
        copy_apart<uint32_t>(to, to_step, from, from_step, n);
}

// row(bytes before a canonical row, bytes before its first number in the file, how far its numbers lie apart there).
template <typename Row>
void for_each_row(const Matrices& shape, const Matrices& file, const Layout& layout, DType type, Row&& row) {
    constexpr int64_t rows_at_a_time = 32;  // where columns are rows in the file, these share its cache lines
    const int64_t n = extent_of(layout, shape), N = layout.columns ? file.cols : file.rows;
    struct Position {
        int64_t row, col;
    };
    const auto in_file = [&](int64_t r, int64_t c) {
        Position p = layout.transposed ? Position{c, r} : Position{r, c};
        int64_t& placed = layout.columns ? p.col : p.row;
        placed = place_in(layout.part, placed, n, N);
        return p;
    };
    const Position begin = in_file(0, 0), next = in_file(0, 1);
    const int64_t step = (next.row - begin.row) * file.cols + next.col - begin.col;
    parallel_chunks(shape.count * shape.rows, rows_at_a_time, [&](int64_t first, int64_t end) {
        for (int64_t r = first; r < end; ++r) {
            const Position p = in_file(r % shape.rows, 0);
            const int64_t file_row = r / shape.rows * file.rows + p.row;
            row(r * row_bytes(type, shape.cols),
                file_row * row_bytes(type, file.cols) + row_bytes(type, p.col), step);
        }
    });
}

// A vector that stands for a matrix of one row.
bool is_row(const TensorSlot& slot) { return slot.role == TensorRole::router && slot.shape.rank == 1; }

class Grouping {
  public:
    void add(const Place& place, const TensorSlot& slot) {
        const auto [known, added] = index_.emplace(place.name, tensors_.size());
        if (added) tensors_.push_back({place.name, {}, {}});
        tensors_[known->second].pieces.push_back({slot, place.layout});
    }
    std::vector<FileTensor> finish() {
        for (FileTensor& tensor : tensors_) tensor.shape = shape_of(tensor);
        return std::move(tensors_);
    }

  private:
    static Shape shape_of(const FileTensor& tensor) {
        const auto& [slot, layout] = tensor.pieces.front();
        if (tensor.plain()) return slot.shape;
        const Matrices m = tensor.matrices();
        if (layout.joined) return {m.count * m.rows, m.cols};
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
            const Layout& layout, DType type) {
    for_each_row(shape, file_shape, layout, type, [&](int64_t to, int64_t from, int64_t step) {
        copy_numbers(canonical + to, 1, file + from, step, shape.cols, type);
    });
}

void scatter(const std::byte* canonical, const Matrices& shape, std::byte* file, const Matrices& file_shape,
             const Layout& layout, DType type) {
    for_each_row(shape, file_shape, layout, type, [&](int64_t from, int64_t to, int64_t step) {
        copy_numbers(file + to, step, canonical + from, 1, shape.cols, type);
    });
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
    for (const TensorSlot& slot : tensor_slots(spec))
        grouping.add(gguf_places(architecture, slot).front(), slot);
    return grouping.finish();
}

}  // namespace gremium::archs
