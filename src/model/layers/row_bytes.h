// Sizes of tensors [tokens, columns] as an arena allocates them.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace gremium {

struct RowBytes {
    int64_t tokens;
    DType type;

    int64_t operator()(int64_t columns) const { return of(type, columns); }
    int64_t f32(int64_t columns) const { return of(DType::f32, columns); }

  private:
    int64_t of(DType dtype, int64_t columns) const { return (tokens * row_bytes(dtype, columns) + 63) / 64 * 64; }
};

}  // namespace gremium
