// A short convolution between two gates (LFM2: Liquid AI 2025): out(C ⊙ conv(B ⊙ x)), (B, C, x) = in·u. The convolution
// is causal, a filter a channel, without bias.
#pragma once

#include "model/layers/kind.h"

namespace gremium {

// D: model width, K taps.
struct ShortConvWeights {
    ops::Weight in;    // [3·D, D]: B, C, x
    ops::Weight conv;  // [D, K]
    ops::Weight out;   // [D, D]
};

struct ShortConvSpec {
    using Weights = ShortConvWeights;
    static constexpr const char* kind_name = "short convolution";
    // Its state in a cache: the last inputs of the convolution, [K − 1, D].
    static constexpr size_t history = 0;

    int taps = 3;
    int channels = 0;  // the model's width
    friend bool operator==(const ShortConvSpec&, const ShortConvSpec&) = default;
};

void check(const ShortConvSpec& s, const Check& check);
void list_tensors(const ShortConvSpec& s, ShortConvWeights& w, TensorList& list);
LayerCache cache_of(const ShortConvSpec& s);
int64_t forward_bytes(const ShortConvSpec& s, int64_t dim, const RowBytes& t);
ops::Var layer_forward(ops::Graph& g, ops::Var u_TD, const ShortConvSpec& s, const ShortConvWeights& w, int layer,
                       const BlockContext& context);

}  // namespace gremium
