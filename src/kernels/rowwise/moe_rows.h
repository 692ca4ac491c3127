// Moving rows between tokens and the experts' rows. A table row_of_Tk names for each token the rows that belong to it,
// −1 for none; no row may be named twice. T tokens, k choices, R rows, D columns. f32 or bf16 values, f32 sums.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace gremium::kernels {

// y_TD[t] = Σ_j weights[t, j] · x_RD[row_of[t, j]], j ascending; without weights (empty) a plain sum. y += if
// accumulate.
void combine_rows(Tensor y_TD, TensorView x_RD, std::span<const int32_t> row_of_Tk, TensorView weights_Tk,
                  bool accumulate = false);

// dx_RD[row_of[t, j]] = weights[t, j] · dy_TD[t] (rows that no token names stay as they are);
// dweights_Tk[t, j] += ⟨dy_TD[t], x_RD[row_of[t, j]]⟩. Either result may be empty, and the
// weights, which then are 1. dx: f32 or bf16.
void combine_rows_backward(Tensor dx_RD, Tensor dweights_Tk, TensorView dy_TD, TensorView x_RD,
                           std::span<const int32_t> row_of_Tk, TensorView weights_Tk);

}  // namespace gremium::kernels
