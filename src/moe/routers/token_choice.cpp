#include "moe/routers/token_choice.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "base/random.h"
#include "moe/routers/scores.h"

namespace gremium::moe {
namespace {

using Score = RouterPolicy::Score;
using Second = RouterPolicy::Second;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr int64_t chunk_tokens = 64;

// The capacity of an expert in a call with this number of choices; 0: no limit.
int64_t capacity_of(const RouterPolicy& policy, size_t choices, bool training) {
    if (policy.capacity > 0 || !training) return policy.capacity;
    return static_cast<int64_t>(
        std::ceil(double{policy.capacity_factor} * static_cast<double>(choices) / policy.experts));
}

}  // namespace

// Calls body(part, t, scratch of E numbers).
template <typename Body>
void TokenChoice::for_each_token(Body&& body) const {
    const auto tokens = parts.empty() ? 0 : static_cast<int64_t>(parts.back().end);
    parallel_chunks(tokens, chunk_tokens, [&](int64_t begin, int64_t end) {
        std::vector<float> scratch_E(experts);
        auto part = std::ranges::upper_bound(parts, static_cast<size_t>(begin), {}, &SequencePart::end);
        for (auto t = static_cast<size_t>(begin); t < static_cast<size_t>(end); ++t) {
            if (t == part->end) ++part;
            body(*part, t, scratch_E);
        }
    });
}

void TokenChoice::choose() const {
    for_each_token([&](const SequencePart& part, size_t t, std::span<float> selection_E) {
        choose(part, t, selection_E);
        std::ranges::copy(chosen(t, width), ids(t, width).begin());
    });
}

void TokenChoice::choose(const SequencePart& part, size_t t, std::span<float> selection_E) const {
    // Large logits have the same sigmoid. If nothing is added to it, selecting by logits keeps their order.
    const bool by_logits = policy.score == Score::sigmoid && correction_E.empty() && policy.groups == 1;
    const std::span<const float> score = by_logits ? logits_TE : score_TE;
    for (size_t e = 0; e < experts; ++e) {
        const bool muted = logits_TE[t * experts + e] == -infinity;
        const float correction = correction_E.empty() ? 0 : correction_E[e];
        selection_E[e] = muted ? -infinity : score[t * experts + e] + correction;
    }
    force(part, t, selection_E);
    if (policy.groups_used < policy.groups) keep_best_groups(selection_E);
    std::ranges::fill(chosen(t, width).subspan(part.top_k()), -1);
    select(part.top_k(), t, selection_E);
}

void TokenChoice::force(const SequencePart& part, size_t t, std::span<float> selection_E) const {
    for (const int32_t e : part.terms->rules.forced) {
        float& selection = selection_E[static_cast<size_t>(e)];
        if (selection == -infinity) fail("layer {}: expert {} is forced and muted for token {}", layer, e, t);
        selection = infinity;
    }
}

// Sets the experts of all but the best groups to −∞; of equal groups the lower one is kept.
void TokenChoice::keep_best_groups(std::span<float> selection_E) const {
    const auto groups = static_cast<size_t>(policy.groups), size = experts / groups;
    std::vector<std::pair<float, size_t>> ranked(groups);
    for (size_t group = 0; group < groups; ++group) {
        float best = -infinity, second = -infinity;
        for (const float s : selection_E.subspan(group * size, size)) {
            if (s > best)
                second = std::exchange(best, s);
            else if (s > second)
                second = s;
        }
        const bool one = policy.group_score == RouterPolicy::GroupScore::best || size == 1;
        ranked[group] = {one || best == infinity ? best : best + second, group};
    }
    std::ranges::stable_sort(ranked, std::greater(), &std::pair<float, size_t>::first);
    for (size_t i = static_cast<size_t>(policy.groups_used); i < groups; ++i)
        std::ranges::fill(selection_E.subspan(ranked[i].second * size, size), -infinity);
}

// The k largest selection scores, descending; of equal scores the lower expert comes first. −∞ is never selected.
void TokenChoice::select(size_t top_k, size_t t, std::span<const float> selection_E) const {
    const std::span<int32_t> best = chosen(t, top_k);
    const auto score = [&](int32_t e) { return selection_E[static_cast<size_t>(e)]; };
    size_t found = 0;
    float runner_up = -infinity;
    for (size_t e = 0; e < experts; ++e) {
        const float s = selection_E[e];
        if (!(s > -infinity)) continue;
        size_t place = found;
        while (place > 0 && s > score(best[place - 1])) --place;
        if (found == top_k)
            runner_up = std::max(runner_up, place == top_k ? s : score(best[top_k - 1]));
        else
            ++found;
        if (place == top_k) continue;
        std::copy_backward(best.begin() + static_cast<std::ptrdiff_t>(place),
                           best.begin() + static_cast<std::ptrdiff_t>(found) - 1,
                           best.begin() + static_cast<std::ptrdiff_t>(found));
        best[place] = static_cast<int32_t>(e);
    }
    if (found < top_k) {
        fail(
            "layer {}: token {} of the batch can choose {} of {} experts but needs {}; the others are muted "
            "or not a number",
            layer, t, found, experts, top_k);
    }
    if (!margin_T.empty()) margin_T[t] = score(best.back()) - runner_up;
}

void TokenChoice::reconsider_second() const {
    if (policy.second == Second::best) return;
    for_each_token([&](const SequencePart& part, size_t t, std::span<float>) {
        if (part.top_k() != 2 || !part.terms->rules.forced.empty()) return;
        const size_t place = t - part.begin;
        if (policy.second == Second::likely)
            keep_if_likely(t, place);
        else
            sample_second(t, place);
    });
}

void TokenChoice::keep_if_likely(size_t t, size_t place) const {
    Random random(noise_seed, static_cast<uint64_t>(layer));
    random.seek(place * experts);
    const float weight = score_TE[t * experts + static_cast<size_t>(chosen(t, 2)[1])];
    if (random.uniform() >= 2 * double{weight}) ids(t, 2)[1] = -1;
}

// The largest of logits with Gumbel noise is a draw from their softmax.
void TokenChoice::sample_second(size_t t, size_t place) const {
    Random random(noise_seed, static_cast<uint64_t>(layer));
    random.seek(place * experts);
    const std::span<int32_t> both = chosen(t, 2);
    double best = -infinity;
    for (size_t e = 0; e < experts; ++e) {
        const double noise = -std::log(-std::log(random.uniform())), logit = logits_TE[t * experts + e];
        if (static_cast<int32_t>(e) == both[0] || !(logit + noise > best)) continue;
        best = logit + noise;
        both[1] = static_cast<int32_t>(e);
    }
    ids(t, 2)[1] = both[1];
}

void TokenChoice::count_load() const {
    std::ranges::fill(load_E, 0);
    for (const int32_t e : ids_Tk)
        if (e >= 0) ++load_E[static_cast<size_t>(e)];
}

void TokenChoice::drop_overflow() const {
    const int64_t capacity = capacity_of(policy, ids_Tk.size(), training);
    if (capacity <= 0) return;
    for (const SequencePart& part : parts) drop_overflow(part, capacity);
}

void TokenChoice::drop_overflow(const SequencePart& part, int64_t capacity) const {
    std::vector<int64_t> queued_E(experts);
    for (size_t j = 0; j < part.top_k(); ++j) {
        for (size_t t = part.begin; t < part.end; ++t) {
            int32_t& id = ids_Tk[t * width + j];
            if (id >= 0 && ++queued_E[static_cast<size_t>(id)] > capacity) id = -1;
        }
    }
}

void TokenChoice::weigh() const {
    for_each_token([&](const SequencePart& part, size_t t, std::span<float> scratch_E) {
        weigh(part.top_k(), t, scratch_E);
        std::ranges::fill(weights(t, width).subspan(part.top_k()), 0.0f);
    });
}

void TokenChoice::weigh(size_t top_k, size_t t, std::span<float> scratch_E) const {
    const std::span<const int32_t> best = chosen(t, top_k), kept = ids(t, top_k);
    const std::span<float> weight = weights(t, top_k);
    for (size_t j = 0; j < top_k; ++j) {
        const auto expert = static_cast<size_t>(best[j]);
        weight[j] = score_TE[t * experts + expert];
        if (policy.score != Score::sparsemixer) continue;
        sparsemixer_shares(scratch_E, logits(t), best, j, policy.sparse_epsilon);
        weight[j] = scratch_E[expert];
    }
    if (policy.score == Score::softmax_selected) softmax(weight);
    const float sum = divisor(policy, weight, kept);
    for (size_t j = 0; j < top_k; ++j) weight[j] = kept[j] < 0 ? 0 : weight[j] / sum * policy.scale;
}

void TokenChoice::give_up() const {
    if (std::ranges::none_of(parts, [](const SequencePart& part) { return part.terms->rules.give_up(); })) return;
    for_each_token([&](const SequencePart& part, size_t t, std::span<float>) {
        if (part.terms->rules.give_up()) give_up(part, t);
    });
    count_load();
}

// The choices that the rules keep come first, then those dropped, with id −1 and weight 0.
void TokenChoice::give_up(const SequencePart& part, size_t t) const {
    const SelectionRules& rules = part.terms->rules;
    const size_t top_k = part.top_k();
    const std::span<int32_t> id = ids(t, top_k);
    const std::span<float> weight = weights(t, top_k);
    const auto sum = [&](size_t n) {
        const std::span<float> first = weight.first(n);
        return std::accumulate(first.begin(), first.end(), 0.0f);
    };
    const auto share_among = [&](size_t n, float total) {
        const float factor = total / (sum(n) + tiny_score);
        for (float& w : weight.first(n)) w *= factor;
    };
    size_t kept = 0;
    const float all = sum(top_k);
    for (size_t j = 0; j < top_k; ++j) {
        if (std::ranges::find(rules.dropped, id[j]) != rules.dropped.end()) continue;
        id[kept] = id[j];
        weight[kept++] = weight[j];
    }
    if (kept < top_k) share_among(kept, all);
    if (rules.mass < 1 && kept > 0) {
        const float total = sum(kept);
        size_t enough = 1;
        while (enough < kept && sum(enough) < rules.mass * total) ++enough;
        kept = enough;
        if (policy.normalise || policy.score == Score::softmax_selected) share_among(kept, total);
    }
    std::ranges::fill(id.subspan(kept), -1);
    std::ranges::fill(weight.subspan(kept), 0.0f);
}

}  // namespace gremium::moe
