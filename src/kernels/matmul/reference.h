// What the grouped matmuls compute, written to be read: plain loops over rows widened to f32, f32 sums in order of k.
#pragma once

#include "kernels/matmul/options.h"

namespace gremium::kernels::reference {

void grouped_matmul(Tensor y_RN, TensorView x_TK, std::span<const int32_t> x_rows, std::span<const TensorView> w_NK,
                    GroupOffsets offsets, MatmulOptions options);
void grouped_matmul_dx(Tensor dx_RK, TensorView dy_RN, std::span<const TensorView> w_NK, GroupOffsets offsets,
                       MatmulOptions options);
void grouped_matmul_dw(std::span<const Tensor> dw_NK, TensorView dy_RN, TensorView x_TK,
                       std::span<const int32_t> x_rows, GroupOffsets offsets, MatmulOptions options);

}  // namespace gremium::kernels::reference
