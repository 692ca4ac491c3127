#include "engine/logits.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "model/unusable_weight.h"

namespace gremium::engine {

std::vector<int32_t> rows_from(int64_t first, int64_t count) {
    std::vector<int32_t> rows(static_cast<size_t>(count));
    std::iota(rows.begin(), rows.end(), static_cast<int32_t>(first));
    return rows;
}

void require_finite(std::span<const float> numbers, std::string_view what, const Model& model) {
    constexpr uint32_t exponent = 0x7F800000u;
    bool finite = true;  // without a branch in the loop
    for (const float number : numbers) finite &= (std::bit_cast<uint32_t>(number) & exponent) != exponent;
    if (finite) return;
    const auto first = std::ranges::find_if_not(numbers, [](float number) { return std::isfinite(number); });
    const auto weight = first_unusable_weight(model);
    fail("{}: {} {} is {}: {}", model.source, what, first - numbers.begin(), *first,
         weight ? *weight : "all weights are numbers, but activations became too large or undefined");
}

void each_logits(ops::Graph& g, const Model& model, ops::Var hidden_TD, const OnLogits& on_row) {
    const int64_t tokens = hidden_TD->value.rows();
    for (int64_t first = 0; first < tokens; first += logit_rows) {
        const Arena::Mark mark = g.arena().mark();
        const int64_t count = std::min(logit_rows, tokens - first);
        const Tensor block_RV = logits(g, model, hidden_TD, rows_from(first, count))->value;
        for (int64_t r = 0; r < count; ++r) {
            const auto* row = reinterpret_cast<const float*>(block_RV.row(r));
            const std::span<const float> logits_V(row, static_cast<size_t>(block_RV.cols()));
            require_finite(logits_V, "the logit of token", model);
            on_row(first + r, logits_V);
        }
        g.arena().release(mark);
    }
}

}  // namespace gremium::engine
