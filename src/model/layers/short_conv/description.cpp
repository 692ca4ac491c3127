#include "model/layers/layer_cache.h"
#include "model/layers/row_bytes.h"
#include "model/layers/short_conv/short_conv.h"
#include "model/spec/check.h"
#include "model/spec/tensors.h"

namespace gremium {

void check(const ShortConvSpec& s, const Check& check) {
    check.range(s.channels, 1, max_width, "the number of channels of a short convolution");
    check.range(s.taps, 1, max_heads, "the number of taps of a short convolution");
}

void list_tensors(const ShortConvSpec& s, ShortConvWeights& w, TensorList& list) {
    list.matrix("shortconv.in_proj", w.in, 3 * int64_t{s.channels}, list.dim());
    list.add("shortconv.conv.weight", w.conv, {s.channels, s.taps}, TensorRole::filter, {.spread = Spread::inputs});
    list.matrix("shortconv.out_proj", w.out, list.dim(), s.channels, {.spread = Spread::residual});
}

LayerCache cache_of(const ShortConvSpec& s) { return {.states = {{s.taps - 1, s.channels}}}; }

int64_t forward_bytes(const ShortConvSpec& s, int64_t dim, const RowBytes& t) { return 6 * t.f32(s.channels) + t(dim); }

}  // namespace gremium
