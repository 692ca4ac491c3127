#include <vector>

#include "kernels/rowwise/embedding.h"
#include "ops/ops.h"

namespace gremium::ops {

Var embedding(Graph& g, const Weight& table, std::span<const int32_t> ids) {
    const Var y = g.make(DType::f32, {static_cast<int64_t>(ids.size()), table.value.cols()}, bool(table.grad));
    kernels::embedding(y->value, table.value, ids);
    if (y->wants_grad) {
        g.record({y}, [table, y, ids = std::vector<int32_t>(ids.begin(), ids.end())] {
            kernels::embedding_backward(table.grad, y->grad, ids);
        });
    }
    return y;
}

}  // namespace gremium::ops
