// Gated DeltaNet (Yang, Kautz, Hatamizadeh 2024): linear attention whose state, a matrix a head, forgets by a decay
// and is corrected towards each new value; and its form with a decay a channel (Kimi Delta Attention: Kimi Team
// 2025). Queries, keys and values go through a short causal convolution and SiLU; queries and keys are normed to
// length 1.
#pragma once

#include "model/layers/kind.h"

namespace gremium {

// D: model width, H value heads of width V, G key heads of width K, T taps of the convolution, R rank.
struct DeltaNetWeights {
    ops::Weight qkv;      // [2·G·K + H·V, D]: queries, keys, values
    ops::Weight conv;     // [2·G·K + H·V, T], without bias
    ops::Weight q, k, v;  // with a decay a channel: apart, and their convolutions
    ops::Weight conv_q, conv_k, conv_v;
    ops::Weight alpha;         // [H, D]: the decays; a channel: [R or H·K, D]
    ops::Weight alpha_b;       // [H·K, R]
    ops::Weight dt_bias;       // [H]; a channel: [H·K]
    ops::Weight a;             // [H]: rates A, or their logarithms
    ops::Weight beta;          // [H, D]
    ops::Weight gate, gate_b;  // [H·V, D]; a channel: [R or H·V, D], [H·V, R]
    ops::Weight norm;          // [V]
    ops::Weight out;           // [D, H·V]
};

struct DeltaNetSpec {
    using Weights = DeltaNetWeights;
    static constexpr const char* kind_name = "delta net";
    // Its states in a cache: the last inputs of the convolution (of queries, keys, values), and the matrices [H, K, V].
    static constexpr size_t history = 0, scan = 1;

    int key_heads = 0, heads = 0, key_dim = 0, value_dim = 0;
    int conv = 4;  // taps
    // Value head h reads key head h mod G; otherwise ⌊h·G / H⌋.
    bool tiled = false;
    bool log_rates = false;  // the tensor `a` holds ln(−A) (Hugging Face, training) instead of A (GGUF)
    // A decay for each channel of a key, one key head a head, a sigmoid as output gate (Kimi).
    bool channels = false;
    int rank = 0;  // of its projections to decays and gates; 0: they are full
    // Below 0: decays are this · σ(−A · (…)) instead of A · softplus(…) (Ling 3).
    float lower_bound = 0;
    friend bool operator==(const DeltaNetSpec&, const DeltaNetSpec&) = default;

    int64_t keys() const { return int64_t{key_heads} * key_dim; }
    int64_t values() const { return int64_t{heads} * value_dim; }
};

void check(const DeltaNetSpec& s, const Check& check);
void list_tensors(const DeltaNetSpec& s, DeltaNetWeights& w, TensorList& list);
LayerCache cache_of(const DeltaNetSpec& s);
int64_t forward_bytes(const DeltaNetSpec& s, int64_t dim, const RowBytes& t);
ops::Var layer_forward(ops::Graph& g, ops::Var x_TD, const DeltaNetSpec& s, const DeltaNetWeights& w, int layer,
                       const BlockContext& context);

}  // namespace gremium
