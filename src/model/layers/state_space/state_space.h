// A selective state space mixer (Gu, Dao: Mamba, 2023). Its two projections have no biases; the convolution and the
// step sizes do.
#pragma once

#include "model/layers/kind.h"

namespace gremium {

// D: model width, C inner channels, N state size per channel, K taps of the convolution, R rank of the step sizes.
struct SsmWeights {
    ops::Weight in;               // [2·C, D]: the scanned input, then its gate
    ops::Weight conv, conv_bias;  // [C, K], [C]
    ops::Weight x;                // [R + 2·N, C]: step sizes, B, C
    ops::Weight dt_norm;          // [R]
    ops::Weight b_norm, c_norm;   // [N]
    ops::Weight dt, dt_bias;      // [C, R], [C]
    ops::Weight a;                // [C, N]: rates A, or ln(−A)
    ops::Weight d;                // [C]: share of the input that is added to the scan's output
    ops::Weight out;              // [D, C]
};

struct SsmSpec {
    using Weights = SsmWeights;
    static constexpr const char* kind_name = "state space";
    // Its states in a cache: the last inputs of the convolution, [K − 1, C], and the recurrent state, [N, C].
    static constexpr size_t history = 0, scan = 1;

    int inner = 0;             // channels
    int state = 0;             // size of the recurrent state per channel
    int conv = 0;              // taps of the convolution
    int dt_rank = 0;           // the step sizes of all channels are projected from this many numbers per token
    bool inner_norms = false;  // RMSNorm of these numbers and of B and C (Jamba)
    bool log_rates = false;    // the tensor `a` holds ln(−A) (Hugging Face, training) instead of A (GGUF)
    friend bool operator==(const SsmSpec&, const SsmSpec&) = default;
};

void check(const SsmSpec& s, const Check& check);
void list_tensors(const SsmSpec& s, SsmWeights& w, TensorList& list);
LayerCache cache_of(const SsmSpec& s);
int64_t forward_bytes(const SsmSpec& s, int64_t dim, const RowBytes& t);
ops::Var layer_forward(ops::Graph& g, ops::Var u_TD, const SsmSpec& s, const SsmWeights& w, int layer,
                       const BlockContext& context);

}  // namespace gremium
