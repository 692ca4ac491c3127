// The differentiable operations; the backward of each is in the same file. Letters of shapes: T tokens, D model width,
// F hidden width, V vocabulary, K inputs, N outputs, H heads. Values are f32 or bf16 rows, gradients f32. Activations
// between matmuls have the graph's activation type; the residual stream, routers and losses are f32.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/kinds.h"
#include "kernels/matmul/grouped_matmul.h"
#include "kernels/recurrent/matrix_state.h"
#include "kernels/recurrent/state_space.h"
#include "ops/graph.h"

namespace gremium::ops {

using kernels::Activation;
using kernels::AttentionShape;
using kernels::AttentionSpan;
using kernels::RopePairing;

// Rows [first, first + count); empty if t is empty. T is Tensor or TensorView.
template <typename T>
T rows_of(T t, int64_t first, int64_t count) {
    if (!t) return {};
    return {t.row(first), t.dtype, {count, t.cols()}};
}

Var embedding(Graph& g, const Weight& table_VD, std::span<const int32_t> ids);  // f32 [T, D]

// y_TN = x_TK · wᵀ (+ bias). `out` chooses y's type.
Var linear(Graph& g, Var x, const Weight& w_NK, const Weight& bias, DType out);
inline Var linear(Graph& g, Var x, const Weight& w_NK, const Weight& bias = {}) {
    return linear(g, x, w_NK, bias, g.options().activation);
}
// The same for several weights that share x, in one product: q, k and v, or gate and up.
struct Affine {
    Weight w_NK, bias;
};
std::vector<Var> linears(Graph& g, Var x, std::span<const Affine> parts, DType out);
inline std::vector<Var> linears(Graph& g, Var x, std::span<const Affine> parts) {
    return linears(g, x, parts, g.options().activation);
}
// As linear, but always with f32 products, whatever type the graph computes in. For routers.
Var linear_f32(Graph& g, Var x, const Weight& w_NK, const Weight& bias = {});

// Multiplies the rows of each group by that group's matrix. `rows` (may be empty) gathers: row r of the result comes
// from x[rows[r]]; the backward scatters along `rows` in a fixed order. The spans must outlive the graph's tape.
Var grouped_linear(Graph& g, Var x, std::span<const Weight> w_NK, kernels::GroupOffsets offsets,
                   std::span<const int32_t> rows, DType out);

// Heads lie side by side in a row, [T, H·width].
//
// y[t, h] = columns [first, first + count) of x[t, h].
Var head_columns(Graph& g, Var x, int64_t heads, int64_t first, int64_t count);
// y[t, h] = a[t, h] followed by b[t, h], which have the same type.
Var concat_heads(Graph& g, Var a, Var b, int64_t heads);
// y[t, h] = w[h] · x[t, h].
Var heads_linear(Graph& g, Var x, const Weight& w_HNK, DType out);

Var rms_norm(Graph& g, Var x, const Weight& w, float eps, int64_t group, DType out);
Var layer_norm(Graph& g, Var x, const Weight& w, const Weight& b, float eps, DType out);
Var softmax(Graph& g, Var x);
// act(gate) ⊙ up. `up` may be null for plain activations.
Var activate(Graph& g, Var gate, Var up, Activation kind);
// The result has x's type. Without recording, it may overwrite an x that an operation made; do not use x afterwards.
Var add(Graph& g, Var x, Var y);
Var add_bias(Graph& g, Var x_TD, const Weight& bias_D);
Var scale(Graph& g, Var x, float factor);
// y[t, h] = x[t, h] · s[t, h], of the H equal stretches of a row of x; s is f32.
Var multiply_rows(Graph& g, Var x_TD, Var s_TH);
Var sigmoid(Graph& g, Var x);
// cap · tanh(x / cap), in place; x is f32 and made by an operation. Of models that are not trained: it records nothing.
Var softcap(Graph& g, Var x, float cap);
// x clipped to ± limit.
Var clip(Graph& g, Var x, float limit);

// Rotates x in place and returns it. The earlier value is lost, even that of an input, so x must come from an operation
// whose backward does not need its result, such as linear and the norms.
Var rope(Graph& g, Var x, TensorView cos_sin, std::span<const int32_t> positions, int64_t head_dim, int64_t n_rot,
         RopePairing pairing);

// Attention over `spans`. When recording, k and v must be the batch's own rows, with spans of equal length
// `sequence_length` that cover the batch in order and have first = 0. v is null if the values are part of the keys;
// without recording, k and v may both be null. sinks: [heads].
Var attention(Graph& g, Var q, Var k, Var v, std::span<const AttentionSpan> spans, const AttentionShape& shape,
              int64_t sequence_length, const Weight& sinks = {});

// The two operations of a state space mixer, all f32 (kernels/recurrent/state_space.h has the formulas). The T rows are
// new sequences of `length` tokens each. Without recording they may instead continue from the given states, which are
// then updated.
struct GoesOn {
    int64_t row, rows;
    Tensor state;
    int64_t first_column = 0;  // of a convolution's history, which may be wider than x
};
Var causal_conv(Graph& g, Var x_TC, const Weight& w_CK, const Weight& bias_C, int64_t length,
                std::span<const GoesOn> histories);
struct ScanVars {
    Var x_TC, step_TC, b_TN, c_TN;
};
struct ScanWeights {
    Weight rates_CN, skip_C;
    bool log_rates = false;
};
Var selective_scan(Graph& g, const ScanVars& in, const ScanWeights& w, int64_t length,
                   std::span<const GoesOn> states_NC);

// The recurrence of kernels/recurrent/matrix_state.h; its numbers are those of MatrixStateInputs. beta may be null.
struct MatrixStateVars {
    Var q_TK, k_TK, v_TV, decay, beta_TH;
};
Var matrix_state(Graph& g, const MatrixStateVars& in, const kernels::MatrixStateInputs& numbers, int64_t length,
                 std::span<const GoesOn> states_HKV);

// y[t, h] = f(w[h]) · x[t, h], of the H equal stretches of a row; all f32.
enum class FactorOf : uint8_t { weight, minus_exp, exp };
Var scale_columns(Graph& g, Var x_TN, const Weight& w_H, FactorOf f = FactorOf::weight);

// Mean negative log-likelihood in nats of the targets (−1: not counted) under softmax(x · headᵀ + bias), and per-token
// losses if wanted. Logits never exist for more than `chunk` tokens at a time; the gradient is computed in the same
// pass.
struct CrossEntropyOptions {
    Weight bias = {};     // [V], or empty
    int64_t chunk = 512;  // in tokens
    // Resized to [T]; null: not wanted.
    std::vector<float>* token_losses = nullptr;
    // Gradients are multiplied by this, for micro-batches.
    float grad_scale = 1;
};
Var cross_entropy(Graph& g, Var x_TD, const Weight& head_VD, std::span<const int32_t> targets,
                  CrossEntropyOptions options = {});

// total + factor · term, all scalars.
Var add_scaled(Graph& g, Var total, Var term, float factor);

// Activation recomputation ("gradient checkpointing"): runs `body` without recording and keeps only its inputs and
// outputs; the backward runs it again, recorded. A second forward saves the memory of the activations and does not
// change the gradients. body must be a pure function of x and of weights; an output may be null. Anything else it
// writes is written twice: Graph::recording() tells the two runs apart.
std::vector<Var> checkpoint(Graph& g, Var x, std::function<std::vector<Var>(Graph&, Var)> body);

}  // namespace gremium::ops
