#include "moe/dispatch.h"

#include <numeric>

namespace gremium::moe {

DispatchPlan dispatch(std::span<const int32_t> ids_Tk, int top_k, int experts) {
    DispatchPlan plan;
    plan.offsets.assign(static_cast<size_t>(experts) + 1, 0);
    for (const int32_t e : ids_Tk) {
        if (e >= 0) ++plan.offsets[static_cast<size_t>(e) + 1];
    }
    std::partial_sum(plan.offsets.begin(), plan.offsets.end(), plan.offsets.begin());

    std::vector<int32_t> next(plan.offsets.begin(), plan.offsets.end() - 1);
    plan.token.resize(static_cast<size_t>(plan.offsets.back()));
    plan.row_of.assign(ids_Tk.size(), -1);
    for (size_t i = 0; i < ids_Tk.size(); ++i) {
        if (ids_Tk[i] < 0) continue;
        const int32_t row = next[static_cast<size_t>(ids_Tk[i])]++;
        plan.row_of[i] = row;
        plan.token[static_cast<size_t>(row)] = static_cast<int32_t>(i / static_cast<size_t>(top_k));
    }
    return plan;
}

}  // namespace gremium::moe
