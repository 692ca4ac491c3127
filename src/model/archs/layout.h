// Between canonical tensors and the matrices in which files hold them.
#pragma once

#include <string>
#include <vector>

#include "model/archs/architecture.h"

namespace gremium::archs {

// The matrices of a tensor: those of a stack, or one; a vector is a column.
struct Matrices {
    int64_t count, rows, cols;
    friend bool operator==(const Matrices&, const Matrices&) = default;
};
Matrices matrices_of(const TensorSlot& slot);
// How many rows, or columns, of the file's matrices are the canonical one's.
int64_t extent_of(const Layout& layout, const Matrices& canonical);
// The file's matrices, `extent` of whose rows or columns those of all that share them are.
Matrices in_file(const Layout& layout, const Matrices& canonical, int64_t extent);

// Copies all matrices out of or into their places; `type` is that of both sides, and where rows do not stay rows not
// quantised. `begin`: the first row, or column, of a `next` part.
void gather(std::byte* canonical, const Matrices& shape, const std::byte* file, const Matrices& file_shape,
            const Layout& layout, DType type, int64_t begin = 0);
void scatter(const std::byte* canonical, const Matrices& shape, std::byte* file, const Matrices& file_shape,
             const Layout& layout, DType type, int64_t begin = 0);

// A tensor of a file and what it holds.
struct FileTensor {
    std::string name;
    Shape shape;
    struct Piece {
        TensorSlot slot;
        Layout layout;
        int64_t begin = 0;  // of a `next` part
    };
    std::vector<Piece> pieces;  // one and plain: the tensor is that of the slot
    bool plain() const { return pieces.size() == 1 && pieces.front().layout.plain(); }
    Matrices matrices() const;
};
std::vector<FileTensor> hf_tensors(const Architecture& architecture, const ModelSpec& spec);
std::vector<FileTensor> gguf_tensors(const Architecture& architecture, const ModelSpec& spec);

}  // namespace gremium::archs
