// Cosines and sines of rotary positions, made once per forward for each distinct way of rotating.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/spec/spec.h"
#include "tensor/arena.h"

namespace gremium {

class RopeTables {
  public:
    // Tables for the positions in use of a context of that length, which chooses between divisors. They live in
    // `arena`. `spec` must outlive this.
    RopeTables(Arena& arena, const ModelSpec& spec, std::span<const int32_t> positions, int64_t context);

    // f32 [distinct rows, dims]: dims/2 cosines, then dims/2 sines. Computed in double.
    TensorView of(const RopeSpec& rope) const;
    std::span<const int32_t> rows() const { return rows_; }  // [T]: each token's row of every table

  private:
    struct Table {
        const RopeSpec* rope;
        Tensor cos_sin;
    };
    std::vector<Table> tables_;
    std::vector<int32_t> rows_;
};

}  // namespace gremium
