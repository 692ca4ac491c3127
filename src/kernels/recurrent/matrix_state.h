// The recurrence of mixers whose state is a matrix a head: gated DeltaNet (Yang, Kautz, Hatamizadeh 2024), its form
// with a decay a channel (Kimi Delta Attention, 2025), and Mamba-2 (Dao, Gu 2024). Everything is f32. T rows, H heads
// of values V wide, G heads of keys K wide. The state S [K, V] of a head begins with zeros; with decays g ≤ 0, row by
// row:
//
//   S ← e^g S;   δ = β (v − Sᵀk), or v where there is no β;   S ← S + k δᵀ;   o = Sᵀq
//
// The T rows are sequences of `length` rows, one after another, each starting from nothing; or one sequence that goes
// on from the state given, which then becomes the state after its last row.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace gremium::kernels {

struct MatrixStateInputs {
    TensorView q_TK = {}, k_TK = {};  // [T, G·K]
    TensorView v_TV = {};             // [T, H·V]
    TensorView decay = {};            // g: [T, H], or [T, H·K]
    TensorView beta_TH = {};          // empty: none
    int64_t heads, key_heads;
    bool tiled = false;  // head h reads key head h mod G, not ⌊h·G / H⌋
    float q_scale = 1, k_scale = 1;

    int64_t key_dim() const { return q_TK.cols() / key_heads; }
    int64_t value_dim() const { return v_TV.cols() / heads; }
    int64_t key_head(int64_t h) const { return tiled ? h % key_heads : h * key_heads / heads; }
    bool decays_channels() const { return decay.cols() != heads; }
};

// So many rows of a sequence, counted from the first one given, are computed by products of matrices; a remainder of
// fewer than `matrix_state_few`, and rows with a decay a channel, are computed one after another. Sequences that are
// given in pieces of whole chunks get the same bits as in one piece.
inline constexpr int64_t matrix_state_chunk = 64, matrix_state_few = 16;

// state (may be empty): [H, K, V].
void matrix_state(Tensor o_TV, const MatrixStateInputs& in, int64_t length, Tensor state);

struct MatrixStateGrads {
    Tensor q_TK, k_TK, v_TV, decay, beta_TH;  // overwritten; beta is empty where there is none
};
// For sequences that start from nothing. Computes the states again, chunk by chunk: 64 · K · V floats a thread.
void matrix_state_backward(const MatrixStateGrads& out, TensorView do_TV, const MatrixStateInputs& in, int64_t length);

}  // namespace gremium::kernels
