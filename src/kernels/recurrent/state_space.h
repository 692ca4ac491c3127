// The two kernels of a selective state space mixer (Gu, Dao: Mamba, 2023): a short causal convolution and the selective
// scan. Everything is f32. T rows, C channels, N numbers of recurrent state a channel, K taps of the convolution.
// The T rows are sequences of `length` rows, one after another, each starting from nothing; or one sequence that goes
// on from the state given, which then becomes the state after its last row. Channels run in parallel in fixed blocks.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace gremium::kernels {

// y[t, c] = bias[c] + Σ_k w[c, k] · x[t − (K−1) + k, c]. history (may be empty): [K−1, at least C], the rows before the
// first, of which columns from first_column on are x's. The bias may be empty.
void causal_conv(Tensor y_TC, TensorView x_TC, TensorView w_CK, TensorView bias_C, int64_t length, Tensor history,
                 int64_t first_column = 0);
// dx =, dw +=, dbias += (these two may be empty). For sequences that start from nothing.
void causal_conv_backward(Tensor dx_TC, Tensor dw_CK, Tensor dbias_C, TensorView dy_TC, TensorView x_TC,
                          TensorView w_CK, int64_t length);

// With Δ = softplus(step): h[c, n] ← exp(Δ[t, c] · A[c, n]) · h[c, n] + Δ[t, c] · B[t, n] · x[t, c] and
// y[t, c] = Σ_n C[t, n] · h[c, n] + skip[c] · x[t, c].
struct ScanInputs {
    TensorView x_TC, step_TC, rates_CN, b_TN, c_TN, skip_C;
    bool log_rates;  // A = −exp(rates) instead of A = rates
};
// state (may be empty): [N, C].
void selective_scan(Tensor y_TC, const ScanInputs& in, int64_t length, Tensor state_NC);

struct ScanGrads {
    Tensor x_TC, step_TC, b_TN, c_TN;  // overwritten
    Tensor rates_CN, skip_C;           // added to; may be empty
};
// For sequences that start from nothing. Computes the states again: length · N · 64 floats a thread.
void selective_scan_backward(const ScanGrads& out, TensorView dy_TC, const ScanInputs& in, int64_t length);

}  // namespace gremium::kernels
