#include "model/layers/recurrent.h"
#include "model/layers/short_conv/short_conv.h"
#include "ops/stages.h"

namespace gremium {

using ops::Graph;
using ops::Var;

Var layer_forward(Graph& g, Var u_TD, const ShortConvSpec& s, const ShortConvWeights& w, int layer,
                  const BlockContext& context) {
    const Timed timer(ops::Stage::state_space);
    const auto rows = [&](int64_t part) { return rows_of_weight(w.in, part * s.channels, s.channels); };
    const ops::Affine parts[] = {{rows(0), {}}, {rows(1), {}}, {rows(2), {}}};
    const std::vector<Var> in = ops::linears(g, u_TD, parts, DType::f32);
    const Var b = in[0], c = in[1], x = in[2];
    const Var seen = ops::causal_conv(g, ops::activate(g, b, x, ops::Activation::identity), w.conv, {},
                                      context.sequence_length, states_of(ShortConvSpec::history, layer, context));
    return ops::linear(g, ops::activate(g, c, seen, ops::Activation::identity), w.out);
}

}  // namespace gremium
