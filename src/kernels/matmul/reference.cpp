#include "kernels/matmul/reference.h"

#include <vector>

#include "base/parallel.h"
#include "tensor/quantised/blocks.h"

namespace gremium::kernels::reference {
namespace {

// A tensor as f32, rounded to the type the products are computed in.
std::vector<float> operand(TensorView t, DType compute) {
    std::vector<float> out = to_floats(t);
    if (compute == DType::bf16) {
        for (float& v : out) v = bf16_to_f32(f32_to_bf16(v));
    }
    return out;
}

void store(Tensor y, int64_t row, int64_t col, float sum, bool accumulate) {
    std::byte* at = y.row(row) + row_bytes(y.dtype, col);
    if (accumulate) {
        float before;
        dequantise_row(y.dtype, at, &before, 1);
        sum += before;
    }
    quantise_row(y.dtype, &sum, at, 1);
}

int64_t source(std::span<const int32_t> x_rows, int64_t r) { return x_rows.empty() ? r : x_rows[r]; }

}  // namespace

void grouped_matmul(Tensor y, TensorView x, std::span<const int32_t> x_rows, std::span<const TensorView> w,
                    GroupOffsets offsets, MatmulOptions options) {
    const int64_t N = y.cols(), K = x.cols();
    const std::vector<float> xs = operand(x, options.compute);
    for (size_t g = 0; g < w.size(); ++g) {
        if (offsets[g] == offsets[g + 1]) continue;
        const std::vector<float> ws = operand(w[g], options.compute);
        parallel_for(offsets[g + 1] - offsets[g], [&](int64_t i) {
            const int64_t r = offsets[g] + i;
            const float* x_row = &xs[source(x_rows, r) * K];
            for (int64_t n = 0; n < N; ++n) {
                float sum = 0;
                for (int64_t k = 0; k < K; ++k) sum += x_row[k] * ws[n * K + k];
                store(y, r, n, sum, options.accumulate);
            }
        });
    }
}

void grouped_matmul_dx(Tensor dx, TensorView dy, std::span<const TensorView> w, GroupOffsets offsets,
                       MatmulOptions options) {
    const int64_t N = dy.cols(), K = dx.cols();
    const std::vector<float> dys = operand(dy, options.compute);
    for (size_t g = 0; g < w.size(); ++g) {
        if (offsets[g] == offsets[g + 1]) continue;
        const std::vector<float> ws = operand(w[g], options.compute);
        parallel_for(offsets[g + 1] - offsets[g], [&](int64_t i) {
            const int64_t r = offsets[g] + i;
            for (int64_t k = 0; k < K; ++k) {
                float sum = 0;
                for (int64_t n = 0; n < N; ++n) sum += dys[r * N + n] * ws[n * K + k];
                store(dx, r, k, sum, options.accumulate);
            }
        });
    }
}

void grouped_matmul_dw(std::span<const Tensor> dw, TensorView dy, TensorView x, std::span<const int32_t> x_rows,
                       GroupOffsets offsets, MatmulOptions options) {
    const int64_t N = dy.cols(), K = x.cols();
    const std::vector<float> dys = operand(dy, options.compute), xs = operand(x, options.compute);
    for (size_t g = 0; g < dw.size(); ++g) {
        if (!dw[g]) continue;
        parallel_for(N, [&](int64_t n) {
            for (int64_t k = 0; k < K; ++k) {
                float sum = 0;
                for (int64_t r = offsets[g]; r < offsets[g + 1]; ++r) {
                    sum += dys[r * N + n] * xs[source(x_rows, r) * K + k];
                }
                store(dw[g], n, k, sum, options.accumulate);
            }
        });
    }
}

}  // namespace gremium::kernels::reference
