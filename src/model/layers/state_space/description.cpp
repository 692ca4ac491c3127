#include <algorithm>

#include "model/layers/layer_cache.h"
#include "model/layers/row_bytes.h"
#include "model/layers/state_space/state_space.h"
#include "model/spec/check.h"
#include "model/spec/tensors.h"

namespace gremium {

void check(const SsmSpec& s, const Check& check) {
    check.range(s.inner, 1, max_width, "the number of state space channels");
    check.range(s.state, 1, max_heads, "the recurrent state of a channel");
    check.range(s.conv, 1, max_heads, "the width of the convolution");
    check.range(s.dt_rank, 1, max_width, "the rank of the step sizes");
}

void list_tensors(const SsmSpec& s, SsmWeights& w, TensorList& list) {
    list.matrix("ssm_in", w.in, 2 * int64_t{s.inner}, list.dim());
    list.add("ssm_conv1d.weight", w.conv, {s.inner, s.conv}, TensorRole::filter, {.spread = Spread::inputs});
    list.add("ssm_conv1d.bias", w.conv_bias, {s.inner}, TensorRole::bias);
    list.matrix("ssm_x", w.x, int64_t{s.dt_rank} + 2 * int64_t{s.state}, s.inner);
    if (s.inner_norms) {
        list.add("ssm_dt_norm.weight", w.dt_norm, {s.dt_rank}, TensorRole::norm);
        list.add("ssm_b_norm.weight", w.b_norm, {s.state}, TensorRole::norm);
        list.add("ssm_c_norm.weight", w.c_norm, {s.state}, TensorRole::norm);
    }
    list.matrix("ssm_dt", w.dt, s.inner, s.dt_rank, {.spread = Spread::inputs});
    list.add("ssm_dt.bias", w.dt_bias, {s.inner}, TensorRole::step_bias);
    list.add("ssm_a", w.a, {s.inner, s.state}, TensorRole::rates);
    list.add("ssm_d", w.d, {s.inner}, TensorRole::skip);
    list.matrix("ssm_out", w.out, list.dim(), s.inner, {.spread = Spread::residual});
}

LayerCache cache_of(const SsmSpec& s) { return {.states = {{s.conv - 1, s.inner}, {s.state, s.inner}}}; }

int64_t forward_bytes(const SsmSpec& s, int64_t dim, const RowBytes& t) {
    const int64_t projected = t.f32(s.dt_rank) + 2 * t.f32(s.state);
    return 5 * t.f32(s.inner) + 2 * t(s.inner) + projected * (s.inner_norms ? 2 : 1) + t(dim);
}

}  // namespace gremium
