// What routing decided.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "moe/hook.h"
#include "ops/graph.h"

namespace gremium::moe {

// Of T tokens. ids and weights are row-major [T, k], by descending selection score; ties go to the lower expert. A
// dropped choice has id −1 and weight 0; those that a hook's rules gave up are last.
struct Routing {
    // The most choices that a token of the batch has: those of sequences whose hook asked for fewer end in −1 with
    // weight 0.
    int top_k = 0;
    std::vector<int32_t> ids_Tk;
    ops::Var weights_Tk = nullptr;    // f32, differentiable
    std::vector<int64_t> load_E;      // tokens that chose each expert; it received fewer when its capacity dropped some
    ops::Var balance_loss = nullptr;  // scalar: E · Σ_e f_e · P_e, f_e = load_e / T (Σ f = k), P_e = mean score share
        // (Fedus et al. 2021 eq. 4; as Hugging Face's load_balancing_loss_func, one layer)
    ops::Var z_loss = nullptr;  // scalar: mean over tokens of logsumexp(logits)² (Zoph et al. 2022)
    std::vector<int> hooked_k;  // choices a token of each entry of RouteInputs::hooked

    std::span<const float> weights() const { return {weights_Tk->value.f32(), ids_Tk.size()}; }
};

// A sequence's own part of a table [T, top_k] of the batch: its rows and the first k columns. The table itself where
// these are all, else a copy that lives as long as this.
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
