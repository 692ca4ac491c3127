// Token choice: every token chooses its k best experts. The stages of that decision, in the order in which route()
// calls them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "moe/hook.h"
#include "moe/policy.h"

namespace gremium::moe {

// The terms for a sequence's tokens: the policy's, or those its hook asked for.
struct SelectionTerms {
    int top_k = 0;
    SelectionRules rules = {};
};

// Contiguous rows of one sequence, decided under the same terms.
struct SequencePart {
    size_t begin, end;
    const SelectionTerms* terms;

    size_t top_k() const { return static_cast<size_t>(terms->top_k); }
};

// What the tokens of one call of route() share. Tables [T, k] are as wide as the largest k.
struct TokenChoice {
    const RouterPolicy& policy;
    int layer;
    bool training;
    uint64_t noise_seed;
    size_t experts, width;
    std::span<const float> logits_TE, score_TE;
    // May be empty.
    std::span<const float> correction_E;
    // They cover all rows, in order.
    std::span<const SequencePart> parts;
    // Before and after choices were dropped.
    std::span<int32_t> chosen_Tk, ids_Tk;
    std::span<float> weights_Tk;
    // Empty if not wanted.
    std::span<float> margin_T;
    std::span<int64_t> load_E;

    void choose() const;
    // Replaces or drops second choices as RouterPolicy::second says.
    void reconsider_second() const;
    void count_load() const;
    void drop_overflow() const;
    void weigh() const;
    void give_up() const;

  private:
    template <typename Body>
    void for_each_token(Body&& body) const;
    void choose(const SequencePart& part, size_t t, std::span<float> selection_E) const;
    void force(const SequencePart& part, size_t t, std::span<float> selection_E) const;
    void keep_best_groups(std::span<float> selection_E) const;
    void select(size_t top_k, size_t t, std::span<const float> selection_E) const;
    void keep_if_likely(size_t t, size_t place) const;
    void sample_second(size_t t, size_t place) const;
    void drop_overflow(const SequencePart& part, int64_t capacity) const;
    void weigh(size_t top_k, size_t t, std::span<float> scratch_E) const;
    void give_up(const SequencePart& part, size_t t) const;

    std::span<const float> logits(size_t t) const { return logits_TE.subspan(t * experts, experts); }
    std::span<int32_t> chosen(size_t t, size_t top_k) const { return chosen_Tk.subspan(t * width, top_k); }
    std::span<int32_t> ids(size_t t, size_t top_k) const { return ids_Tk.subspan(t * width, top_k); }
    std::span<float> weights(size_t t, size_t top_k) const { return weights_Tk.subspan(t * width, top_k); }
};

}  // namespace gremium::moe
