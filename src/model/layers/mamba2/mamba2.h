// Mamba-2 (Dao, Gu: Transformers are SSMs, 2024): a state space with one rate a head, whose state is a matrix a head.
// Its two projections have no biases; the convolution and the step sizes do.
#pragma once

#include "model/layers/kind.h"

namespace gremium {

// D: model width, C inner channels in H heads, G groups with B and C of N numbers, T taps of the convolution.
struct Mamba2Weights {
    ops::Weight in;               // [2·C + 2·G·N + H, D]: gate, x, B, C, step sizes
    ops::Weight conv, conv_bias;  // [C + 2·G·N, T], [C + 2·G·N]: of x, B, C
    ops::Weight dt_bias;          // [H]
    ops::Weight a;                // [H, 1]: rates A, or ln(−A)
    ops::Weight d;                // [H, 1]: share of the input that is added to the output
    ops::Weight norm;             // [G, C / G]
    ops::Weight out;              // [D, C]
};

struct Mamba2Spec {
    using Weights = Mamba2Weights;
    static constexpr const char* kind_name = "Mamba-2";
    // Its states in a cache: the last inputs of the convolution, and the matrices [H, N, C / H].
    static constexpr size_t history = 0, scan = 1;

    int inner = 0, heads = 0, state = 0, groups = 1, conv = 4;
    bool log_rates = false;  // the tensor `a` holds ln(−A) (Hugging Face, training) instead of A (GGUF)
    friend bool operator==(const Mamba2Spec&, const Mamba2Spec&) = default;

    int64_t convolved() const { return inner + 2 * int64_t{groups} * state; }
};

void check(const Mamba2Spec& s, const Check& check);
void list_tensors(const Mamba2Spec& s, Mamba2Weights& w, TensorList& list);
LayerCache cache_of(const Mamba2Spec& s);
int64_t forward_bytes(const Mamba2Spec& s, int64_t dim, const RowBytes& t);
ops::Var layer_forward(ops::Graph& g, ops::Var u_TD, const Mamba2Spec& s, const Mamba2Weights& w, int layer,
                       const BlockContext& context);

}  // namespace gremium
