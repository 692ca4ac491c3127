#include "model/archs/layout.h"

#include <cstring>
#include <map>

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

// move(bytes from the canonical beginning, bytes from the file's, count of bytes) for all that belongs together.
template <typename Move>
void for_each_stretch(const Matrices& shape, const Matrices& file, const Layout& layout, DType type,
                      Move&& move) {
    const bool whole_rows = !layout.columns && !layout.transposed;
    const int64_t n = extent_of(layout, shape), N = layout.columns ? file.cols : file.rows;
    const int64_t stretch = whole_rows ? shape.cols : 1, bytes = row_bytes(type, stretch);
    for (int64_t m = 0; m < shape.count; ++m)
        for (int64_t r = 0; r < shape.rows; ++r)
            for (int64_t c = 0; c < shape.cols; c += stretch) {
                int64_t i = layout.transposed ? c : r, j = layout.transposed ? r : c;
                (layout.columns ? j : i) = place_in(layout.part, layout.columns ? j : i, n, N);
                move(((m * shape.rows + r) * shape.cols + c) / stretch * bytes,
                     ((m * file.rows + i) * file.cols + j) / stretch * bytes, static_cast<size_t>(bytes));
            }
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
    for_each_stretch(shape, file_shape, layout, type, [&](int64_t to, int64_t from, size_t bytes) {
        std::memcpy(canonical + to, file + from, bytes);
    });
}

void scatter(const std::byte* canonical, const Matrices& shape, std::byte* file, const Matrices& file_shape,
             const Layout& layout, DType type) {
    for_each_stretch(shape, file_shape, layout, type, [&](int64_t from, int64_t to, size_t bytes) {
        std::memcpy(file + to, canonical + from, bytes);
    });
}

std::vector<FileTensor> hf_tensors(const Architecture& architecture, const ModelSpec& spec) {
    Grouping grouping;
    for (TensorSlot slot : tensor_slots(spec)) {
        const Place place = hf_places(architecture, slot).front();
        if (is_row(slot)) slot.shape = {1, slot.shape[0]};
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
