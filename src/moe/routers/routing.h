// The result of routing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "moe/hook.h"
#include "ops/graph.h"

namespace gremium::moe {

// For T tokens. ids and weights are row-major [T, k], by descending selection score; of equal scores the lower expert
// comes first. A dropped choice has id −1 and weight 0; those that a hook's rules dropped come last.
struct Routing {
    // The largest number of choices per token in the batch. If a sequence's hook asked for fewer, its rows are filled
    // up with id −1 and weight 0.
    int top_k = 0;
    std::vector<int32_t> ids_Tk;
    // f32, differentiable.
    ops::Var weights_Tk = nullptr;
    // Tokens that chose each expert. An expert receives fewer if choices beyond its capacity were dropped.
    std::vector<int64_t> load_E;
    // Scalar: E · Σ_e f_e · P_e with f_e = load_e / T (Σ f = k) and P_e = mean share of the scores (Fedus et al. 2021,
    // eq. 4; as load_balancing_loss_func of Hugging Face for one layer).
    ops::Var balance_loss = nullptr;
    // Scalar: mean over tokens of logsumexp(logits)² (Zoph et al. 2022).
    ops::Var z_loss = nullptr;
    // The k of each entry of RouteInputs::hooked.
    std::vector<int> hooked_k;

    std::span<const float> weights() const { return {weights_Tk->value.f32(), ids_Tk.size()}; }
};

// A sequence's part of a table [T, top_k] of the batch: its rows and the first k columns. A view of the table if
// k = top_k, otherwise a copy that lives as long as this object.
template <typename T>
class OwnChoices {
  public:
    OwnChoices(std::span<const T> table_Tk, const HookedRows& own, int top_k, int k) {
        const auto width = static_cast<size_t>(top_k), kept = static_cast<size_t>(k);
        const auto rows = static_cast<size_t>(own.rows);
        view_ = table_Tk.subspan(static_cast<size_t>(own.row) * width, rows * width);
        if (kept == width) return;
        copy_.reserve(rows * kept);
        for (size_t t = 0; t < rows; ++t)
            copy_.insert(copy_.end(), view_.begin() + static_cast<std::ptrdiff_t>(t * width),
                         view_.begin() + static_cast<std::ptrdiff_t>(t * width + kept));
        view_ = copy_;
    }
    OwnChoices(const OwnChoices&) = delete;
    OwnChoices& operator=(const OwnChoices&) = delete;

    std::span<const T> view() const { return view_; }

  private:
    std::vector<T> copy_;
    std::span<const T> view_;
};

}  // namespace gremium::moe
