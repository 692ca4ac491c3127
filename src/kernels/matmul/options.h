// What a grouped matmul is told beside its operands.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace gremium::kernels {

// Rows [offsets[g], offsets[g+1]) belong to group g; offsets has G+1 ascending entries from 0 to R. Groups may be
// empty.
using GroupOffsets = std::span<const int32_t>;

// Sees the operands of every forward product on the calling thread, before it is computed.
class MatmulObserver {
  public:
    virtual ~MatmulObserver() = default;
    virtual void on_matmul(TensorView x_TK, std::span<const int32_t> x_rows, std::span<const TensorView> w_NK,
                           GroupOffsets offsets) = 0;
};

struct MatmulOptions {
    // Type the products are computed in: f32; bf16 (operands rounded to bf16, products summed in f32; the weights of
    // block-quantised types may stay exact); or q8_0, for running models: where weights are block-quantised, rows of x
    // are rounded to 8 bits (32 neighbours share a scale) or to bf16, whichever is faster, and the rest is as in f32.
    DType compute = DType::f32;
    bool accumulate = false;  // y += instead of y =
    bool fine = false;        // q8_0 rounds to 16 bits, or to bf16 as above: for what routers see
    MatmulObserver* observer = nullptr;
    // [R], or empty: which rows of y belong together; those of a group that do are neighbours. How a row is computed,
    // down to its bits, then depends on how many rows of its own cohort the group has, and on no others: sequences that
    // run together get what each would alone.
    std::span<const int32_t> cohorts = {};
};

}  // namespace gremium::kernels
