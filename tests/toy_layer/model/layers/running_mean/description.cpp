#include "model/layers/layer_cache.h"
#include "model/layers/row_bytes.h"
#include "model/layers/running_mean/running_mean.h"
#include "model/spec/check.h"
#include "model/spec/tensors.h"

namespace gremium {

void check(const RunningMeanSpec& mean, const Check& check) {
    check.range(mean.channels, 1, max_width, "the number of running means");
    if (!(mean.keep >= 0 && mean.keep < 1))
        fail("{}: layer {} keeps {} of its means, expected at least 0 and less than 1", check.source, check.layer,
             mean.keep);
}

void list_tensors(const RunningMeanSpec& mean, RunningMeanWeights& w, TensorList& list) {
    list.affine("mean_in", w.in, {w.in_bias, true}, mean.channels, list.dim());
    list.matrix("mean_gate", w.gate, mean.channels, list.dim());
    list.matrix("mean_out", w.out, list.dim(), mean.channels, {.spread = Spread::residual});
}

LayerCache cache_of(const RunningMeanSpec& mean) { return {.states = {{1, mean.channels}}}; }

int64_t forward_bytes(const RunningMeanSpec& mean, int64_t dim, const RowBytes& t) {
    return 2 * t.f32(mean.channels) + 2 * t(mean.channels) + t(dim);
}

}  // namespace gremium
