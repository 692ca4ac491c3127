// The kernel family Gremium is about: one call multiplies the rows of every expert with that expert's matrix.
// A dense matmul is a grouped matmul with one group. Legend: R rows of all groups together, T rows of the source,
// K inputs, N outputs, G groups (experts).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/matmul/options.h"
#include "tensor/tensor.h"

namespace gremium::kernels {

// y_RN[r] = x[row(r)] · w_g_NKᵀ, where row(r) = x_rows.empty() ? r : x_rows[r] (a gather from x_TK).
// w: one tensor [N, K] a group, any weight dtype (quantised ones are unpacked on the fly). x, y: f32 or bf16.
// All sums in f32; each y element has a fixed summation order whatever the number of threads.
void grouped_matmul(Tensor y_RN, TensorView x_TK, std::span<const int32_t> x_rows, std::span<const TensorView> w_NK,
                    GroupOffsets offsets, MatmulOptions options = {});

// The same for several matrices a group that share x, in one go: gate and up of a feed-forward, q, k and v.
struct Projection {
    Tensor y_RN;
    std::span<const TensorView> w_NK;
};
void grouped_matmul(std::span<const Projection> projections, TensorView x_TK, std::span<const int32_t> x_rows,
                    GroupOffsets offsets, MatmulOptions options = {});

// Gradient of the input: dx_RK[r] = dy_RN[r] · w_g_NK, one row per r (no scatter). w: f32 or bf16.
void grouped_matmul_dx(Tensor dx_RK, TensorView dy_RN, std::span<const TensorView> w_NK, GroupOffsets offsets,
                       MatmulOptions options = {});

// The same summed over several matrices a group, as projections of one x have it.
struct ProjectionGrad {
    TensorView dy_RN;
    std::span<const TensorView> w_NK;
};
void grouped_matmul_dx(Tensor dx_RK, std::span<const ProjectionGrad> projections, GroupOffsets offsets,
                       MatmulOptions options = {});

// Gradient of the weights: dw_g_NK = Σ over the rows r of g of dy_RN[r]ᵀ · x[row(r)]. dw: f32 tensors [N, K]; a group
// without rows gets zeros (unchanged when accumulating); an empty Tensor{} skips its group.
void grouped_matmul_dw(std::span<const Tensor> dw_NK, TensorView dy_RN, TensorView x_TK,
                       std::span<const int32_t> x_rows, GroupOffsets offsets, MatmulOptions options = {});

// The same for several matrices a group that share x.
struct WeightGrad {
    std::span<const Tensor> dw_NK;
    TensorView dy_RN;
};
void grouped_matmul_dw(std::span<const WeightGrad> grads, TensorView x_TK, std::span<const int32_t> x_rows,
                       GroupOffsets offsets, MatmulOptions options = {});

// One group.
void matmul(Tensor y_RN, TensorView x_RK, TensorView w_NK, MatmulOptions options = {});
void matmul_dx(Tensor dx_RK, TensorView dy_RN, TensorView w_NK, MatmulOptions options = {});
void matmul_dw(Tensor dw_NK, TensorView dy_RN, TensorView x_RK, MatmulOptions options = {});

// The inner kernel that the calling thread's last call ran on, e.g. "AVX2 f32". For tests and measurements.
std::string_view last_grouped_matmul_leaf();

}  // namespace gremium::kernels
