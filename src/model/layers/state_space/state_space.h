// A selective state space mixer (Gu, Dao: Mamba, 2023). Its two projections have no biases, convolution and step sizes
// do.
#pragma once

#include "model/layers/kind.h"

namespace gremium {

// D: the model's width, C inner channels, N numbers of state a channel, K taps of the convolution, R the rank of the
// step sizes.
struct SsmWeights {
    ops::Weight in;               // [2·C, D]: what is scanned, then its gate
    ops::Weight conv, conv_bias;  // [C, K], [C]
    ops::Weight x;                // [R + 2·N, C]: step sizes, B, C
    ops::Weight dt_norm;          // [R]
    ops::Weight b_norm, c_norm;   // [N]
    ops::Weight dt, dt_bias;      // [C, R], [C]
    ops::Weight a;                // [C, N]: rates A, or ln(−A)
    ops::Weight d;                // [C]: how much of the input is added to what the scan gives
    ops::Weight out;              // [D, C]
};

struct SsmSpec {
    using Weights = SsmWeights;
    static constexpr const char* kind_name = "state space";
    // Its states in a cache: the last inputs of the convolution [K − 1, C], and the recurrent state [N, C].
    static constexpr size_t history = 0, scan = 1;

    int inner = 0;             // channels
    int state = 0;             // numbers of recurrent state a channel
    int conv = 0;              // positions that the convolution sees
    int dt_rank = 0;           // numbers a token from which the step sizes of all channels are made
    bool inner_norms = false;  // RMSNorm of those numbers and of B and C (Jamba)
    bool log_rates = false;    // the tensor of rates holds ln(−A) (Hugging Face, training) instead of A (GGUF)
    friend bool operator==(const SsmSpec&, const SsmSpec&) = default;
};

void check(const SsmSpec& s, const Check& check);
void list_tensors(const SsmSpec& s, SsmWeights& w, TensorList& list);
LayerCache cache_of(const SsmSpec& s);
int64_t forward_bytes(const SsmSpec& s, int64_t dim, const RowBytes& t);
ops::Var layer_forward(ops::Graph& g, ops::Var u_TD, const SsmSpec& s, const SsmWeights& w, int layer,
                       const BlockContext& context);

}  // namespace gremium
