// Cosines and sines of rotary positions, computed once per forward for each distinct RopeSpec.
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
    // Tables for the given positions, allocated in `arena`. The length of the context selects the divisors. `spec` must
    // outlive this object.
    RopeTables(Arena& arena, const ModelSpec& spec, std::span<const int32_t> positions, int64_t context);

    // f32 [distinct rows, dims]: dims/2 cosines, then dims/2 sines. Computed in double.
    TensorView of(const RopeSpec& rope) const;
    // [T]: the row of each token, the same in all tables.
    std::span<const int32_t> rows() const { return rows_; }

  private:
    struct Table {
        const RopeSpec* rope;
        Tensor cos_sin;
    };
    std::vector<Table> tables_;
    std::vector<int32_t> rows_;
};

}  // namespace gremium
