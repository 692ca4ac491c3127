#include "model/layers/layer_cache.h"
#include "model/layers/mamba2/mamba2.h"
#include "model/layers/row_bytes.h"
#include "model/spec/check.h"
#include "model/spec/tensors.h"

namespace gremium {

void check(const Mamba2Spec& s, const Check& check) {
    check.range(s.inner, 1, max_width, "the number of state space channels");
    check.range(s.heads, 1, max_heads, "the number of state space heads");
    check.range(s.state, 1, max_width, "the recurrent state of a channel");
    check.range(s.groups, 1, max_heads, "the number of state space groups");
    check.range(s.conv, 1, max_heads, "the width of the convolution");
    if (s.inner % s.heads != 0 || s.heads % s.groups != 0)
        fail("{}: layer {}: {} state space channels in {} heads in {} groups do not divide evenly", check.source,
             check.layer, s.inner, s.heads, s.groups);
}

void list_tensors(const Mamba2Spec& s, Mamba2Weights& w, TensorList& list) {
    list.matrix("ssm_in", w.in, s.inner + s.convolved() + s.heads, list.dim());
    list.add("ssm_conv1d.weight", w.conv, {s.convolved(), s.conv}, TensorRole::filter, {.spread = Spread::inputs});
    list.add("ssm_conv1d.bias", w.conv_bias, {s.convolved()}, TensorRole::bias);
    list.add("ssm_dt.bias", w.dt_bias, {s.heads}, TensorRole::step_bias);
    list.add("ssm_a", w.a, {s.heads, 1}, TensorRole::rates);
    list.add("ssm_d", w.d, {s.heads, 1}, TensorRole::skip);
    list.add("ssm_norm.weight", w.norm, {s.groups, s.inner / s.groups}, TensorRole::norm);
    list.matrix("ssm_out", w.out, list.dim(), s.inner, {.spread = Spread::residual});
}

LayerCache cache_of(const Mamba2Spec& s) {
    const Shape scan{s.heads, s.state, s.inner / s.heads};
    return {.states = {{s.conv - 1, s.convolved()}, scan}};
}

int64_t forward_bytes(const Mamba2Spec& s, int64_t dim, const RowBytes& t) {
    const int64_t inner = t.f32(s.inner), shared = t.f32(int64_t{s.groups} * s.state);
    // Before and after the convolution and its activation, apart; inputs, results, skip, gated, normed.
    return 3 * t.f32(s.convolved()) + 2 * shared + 6 * inner + 3 * t.f32(s.heads) + 2 * t(s.inner) + t(dim);
}

}  // namespace gremium
