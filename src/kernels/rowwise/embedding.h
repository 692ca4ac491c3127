// Rows of a table. T tokens, V rows of the table, D columns.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace gremium::kernels {

// y[t] = table[ids[t]] (any weight dtype) as f32/bf16; backward: dtable[ids[t]] += dy[t] in token order.
void embedding(Tensor y_TD, TensorView table_VD, std::span<const int32_t> ids);
void embedding_backward(Tensor dtable_VD, TensorView dy_TD, std::span<const int32_t> ids);

}  // namespace gremium::kernels
