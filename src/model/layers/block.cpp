#include "model/layers/block.h"

#include "model/weights.h"
#include "ops/ops.h"

namespace gremium {

using ops::Graph;
using ops::Var;

void show(const BlockContext& context, moe::Part part, int layer, Var y_TD) {
    for (const moe::HookedRows& own : context.hooked)
        own.hook->contributes({part, layer, own.batch, ops::rows_of(y_TD->value, own.row, own.rows)});
}

Var norm(Graph& g, Var x_TD, const NormSpec& spec, const NormWeights& w) {
    const DType out = g.options().activation;
    if (spec.kind == NormKind::layer) return ops::layer_norm(g, x_TD, w.weight, w.bias, spec.eps, out);
    const Var y = ops::rms_norm(g, x_TD, w.weight, spec.eps, x_TD->value.cols(), out);
    return w.bias ? ops::add_bias(g, y, w.bias) : y;
}

}  // namespace gremium
