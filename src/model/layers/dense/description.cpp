#include <cmath>

#include "base/error.h"
#include "model/layers/dense/dense.h"
#include "model/layers/row_bytes.h"
#include "model/spec/check.h"
#include "model/spec/tensors.h"

namespace gremium {

void check_activation(const kernels::Activation& a, const Check& check) {
    if (!std::isfinite(a.limit) || !std::isfinite(a.alpha) || a.limit <= 0 || a.alpha <= 0)
        fail("{}: the activation's limit is {} and its alpha {}, expected positive numbers", check.source, a.limit,
             a.alpha);
}

void check(const DenseSpec& dense, const Check& check) {
    check.range(dense.hidden, 1, max_width, "the feed-forward width");
    check_activation(dense.activation, check);
}

void list_tensors(const DenseSpec& dense, DenseWeights& w, TensorList& list) { list_matrices("", dense, w, list); }

void list_matrices(const std::string& suffix, const DenseSpec& dense, DenseWeights& w, TensorList& list) {
    const int64_t F = dense.hidden, D = list.dim();
    if (dense.gated)
        list.affine("ffn_gate" + suffix, w.gate, {w.gate_bias, dense.bias}, F, D, {.matrix = Matrix::gate});
    list.affine("ffn_up" + suffix, w.up, {w.up_bias, dense.bias}, F, D, {.matrix = Matrix::up});
    list.affine("ffn_down" + suffix, w.down, {w.down_bias, dense.bias}, D, F,
                {.matrix = Matrix::down, .spread = Spread::residual});
}

int64_t forward_bytes(const DenseSpec& dense, int64_t dim, const RowBytes& t) {
    return (dense.gated ? 3 : 2) * t(dense.hidden) + t(dim);
}

}  // namespace gremium
