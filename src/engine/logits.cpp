#include "engine/logits.h"

#include <algorithm>
#include <numeric>

namespace gremium::engine {

std::vector<int32_t> rows_from(int64_t first, int64_t count) {
    std::vector<int32_t> rows(static_cast<size_t>(count));
    std::iota(rows.begin(), rows.end(), static_cast<int32_t>(first));
    return rows;
}

void each_logits(ops::Graph& g, const Model& model, ops::Var hidden_TD, const OnLogits& on_row) {
    const int64_t tokens = hidden_TD->value.rows();
    for (int64_t first = 0; first < tokens; first += logit_rows) {
        const Arena::Mark mark = g.arena().mark();
        const int64_t count = std::min(logit_rows, tokens - first);
        const Tensor block_RV = logits(g, model, hidden_TD, rows_from(first, count))->value;
        for (int64_t r = 0; r < count; ++r) {
            const auto* row = reinterpret_cast<const float*>(block_RV.row(r));
            on_row(first + r, {row, static_cast<size_t>(block_RV.cols())});
        }
        g.arena().release(mark);
    }
}

}  // namespace gremium::engine
