#include "moe/routers/router.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "base/random.h"
#include "moe/routers/routing_record.h"

namespace gremium::moe {
namespace {

using ops::Graph;
using ops::Var;
using Score = RouterPolicy::Score;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr int64_t chunk_tokens = 64, chunk_elements = 4096;

std::span<float> all_of(Tensor t) { return {t.f32(), static_cast<size_t>(t.count())}; }
std::span<const float> all_of(TensorView t) { return {t.f32(), static_cast<size_t>(t.count())}; }

// One call of route: what its tokens share.
struct Router {
    const RouterPolicy& policy;
    int layer;
    size_t experts, top_k;
    std::span<const float> logits_TE, score_TE;
    std::span<const float> correction_E;  // may be empty
    uint64_t noise_seed;
    std::span<int32_t> chosen_Tk, ids_Tk;  // before and after some were dropped
    std::span<float> weights_Tk;
    std::span<float> margin_T;  // empty: nobody asks
    const SelectionRules& rules;

    void choose(size_t t, std::span<float> selection_E) const;
    void keep_best_groups(std::span<float> selection_E) const;
    void select(size_t t, std::span<const float> selection_E) const;
    void reconsider_second(size_t t, size_t place) const;
    void drop_overflow(int64_t capacity, size_t begin, size_t end) const;
    void weigh(size_t t, std::span<float> scratch_E) const;
    void give_up(size_t t) const;
};

void Router::choose(size_t t, std::span<float> selection_E) const {
    // Large logits have the same sigmoid: where nothing is added, the logits themselves keep the order.
    const bool by_logits = policy.score == Score::sigmoid && correction_E.empty() && policy.groups == 1;
    const std::span<const float> score = by_logits ? logits_TE : score_TE;
    for (size_t e = 0; e < experts; ++e) {
        const bool muted = logits_TE[t * experts + e] == -infinity;
        const float correction = correction_E.empty() ? 0 : correction_E[e];
        selection_E[e] = muted ? -infinity : score[t * experts + e] + correction;
    }
    for (const int32_t e : rules.forced) selection_E[static_cast<size_t>(e)] = infinity;
    if (policy.groups_used < policy.groups) keep_best_groups(selection_E);
    select(t, selection_E);
}

// Experts of all but the best groups get −∞; ties go to the lower group.
void Router::keep_best_groups(std::span<float> selection_E) const {
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

// The k largest selection scores, descending; ties go to the lower expert. −∞ is never selected.
void Router::select(size_t t, std::span<const float> selection_E) const {
    const std::span<int32_t> chosen = chosen_Tk.subspan(t * top_k, top_k);
    const auto score = [&](int32_t e) { return selection_E[static_cast<size_t>(e)]; };
    size_t found = 0;
    float runner_up = -infinity;
    for (size_t e = 0; e < experts; ++e) {
        const float s = selection_E[e];
        if (!(s > -infinity)) continue;
        size_t place = found;
        while (place > 0 && s > score(chosen[place - 1])) --place;
        if (found == top_k)
            runner_up = std::max(runner_up, place == top_k ? s : score(chosen[top_k - 1]));
        else
            ++found;
        if (place == top_k) continue;
        std::copy_backward(chosen.begin() + static_cast<std::ptrdiff_t>(place),
                           chosen.begin() + static_cast<std::ptrdiff_t>(found) - 1,
                           chosen.begin() + static_cast<std::ptrdiff_t>(found));
        chosen[place] = static_cast<int32_t>(e);
    }
    if (found < top_k) {
        fail(
            "layer {}: token {} of the batch can choose {} of {} experts but needs {}; the others are muted "
            "or not a number",
            layer, t, found, experts, top_k);
    }
    if (!margin_T.empty()) margin_T[t] = score(chosen.back()) - runner_up;
}

// Another second choice by RouterPolicy::second, or none (in ids), for a token at this place of its sequence.
void Router::reconsider_second(size_t t, size_t place) const {
    const std::span<int32_t> chosen = chosen_Tk.subspan(t * top_k, top_k);
    Random random(noise_seed, static_cast<uint64_t>(layer));
    random.seek(place * experts);
    if (policy.second == RouterPolicy::Second::likely) {
        const float weight = score_TE[t * experts + static_cast<size_t>(chosen[1])];
        if (random.uniform() >= 2 * double{weight}) ids_Tk[t * top_k + 1] = -1;
        return;
    }
    // The largest of logits with Gumbel noise is a draw from their softmax.
    double best = -infinity;
    for (size_t e = 0; e < experts; ++e) {
        const double noise = -std::log(-std::log(random.uniform())), logit = logits_TE[t * experts + e];
        if (static_cast<int32_t>(e) == chosen[0] || !(logit + noise > best)) continue;
        best = logit + noise;
        chosen[1] = static_cast<int32_t>(e);
    }
    ids_Tk[t * top_k + 1] = chosen[1];
}

void Router::drop_overflow(int64_t capacity, size_t begin, size_t end) const {
    std::vector<int64_t> queued_E(experts);
    for (size_t j = 0; j < top_k; ++j) {
        for (size_t t = begin; t < end; ++t) {
            int32_t& id = ids_Tk[t * top_k + j];
            if (id >= 0 && ++queued_E[static_cast<size_t>(id)] > capacity) id = -1;
        }
    }
}

void Router::weigh(size_t t, std::span<float> scratch_E) const {
    const std::span<const int32_t> ids = chosen_Tk.subspan(t * top_k, top_k), kept = ids_Tk.subspan(t * top_k, top_k);
    const std::span<float> weights = weights_Tk.subspan(t * top_k, top_k);
    for (size_t j = 0; j < top_k; ++j) {
        const auto expert = static_cast<size_t>(ids[j]);
        weights[j] = score_TE[t * experts + expert];
        if (policy.score != Score::sparsemixer) continue;
        sparsemixer_shares(scratch_E, logits_TE.subspan(t * experts, experts), ids, j, policy.sparse_epsilon);
        weights[j] = scratch_E[expert];
    }
    if (policy.score == Score::softmax_selected) softmax(weights);
    const float sum = divisor(policy, weights, kept);
    for (size_t j = 0; j < top_k; ++j) weights[j] = kept[j] < 0 ? 0 : weights[j] / sum * policy.scale;
}

// For a call with so many choices; 0: no limit.
int64_t capacity_of(const RouterPolicy& policy, int64_t choices, bool training) {
    if (policy.capacity > 0 || !training) return policy.capacity;
    return static_cast<int64_t>(
        std::ceil(double{policy.capacity_factor} * static_cast<double>(choices) / policy.experts));
}

// The choices that rules keep come first, then −1 with weight 0.
void Router::give_up(size_t t) const {
    const std::span<int32_t> ids = ids_Tk.subspan(t * top_k, top_k);
    const std::span<float> weights = weights_Tk.subspan(t * top_k, top_k);
    const auto sum = [&](size_t n) {
        const std::span<float> first = weights.first(n);
        return std::accumulate(first.begin(), first.end(), 0.0f);
    };
    const auto share_among = [&](size_t n, float total) {
        const float factor = total / (sum(n) + tiny_score);
        for (float& w : weights.first(n)) w *= factor;
    };
    size_t kept = 0;
    const float all = sum(top_k);
    for (size_t j = 0; j < top_k; ++j) {
        if (std::ranges::find(rules.dropped, ids[j]) != rules.dropped.end()) continue;
        ids[kept] = ids[j];
        weights[kept++] = weights[j];
    }
    if (kept < top_k) share_among(kept, all);
    if (rules.mass < 1 && kept > 0) {
        const float total = sum(kept);
        size_t enough = 1;
        while (enough < kept && sum(enough) < rules.mass * total) ++enough;
        kept = enough;
        if (policy.normalise || policy.score == Score::softmax_selected) share_among(kept, total);
    }
    std::ranges::fill(ids.subspan(kept), -1);
    std::ranges::fill(weights.subspan(kept), 0.0f);
}

// A hook's wishes are input: experts that exist, no more than fit.
void check(const SelectionRules& rules, const RouterPolicy& policy, int layer, int top_k, bool training) {
    for (const std::vector<int32_t>* experts : {&rules.forced, &rules.dropped})
        for (const int32_t e : *experts)
            if (e < 0 || e >= policy.experts) fail("layer {}: there is no expert {} of {}", layer, e, policy.experts);
    if (static_cast<int>(rules.forced.size()) > top_k)
        fail("layer {}: {} experts are forced, a token uses {}", layer, rules.forced.size(), top_k);
    if (!(rules.mass > 0 && rules.mass <= 1))
        fail("layer {}: a mass of {}, expected above 0 and at most 1", layer, rules.mass);
    if (training && (rules.mass < 1 || !rules.dropped.empty()))
        fail("layer {}: a routing hook gives up choices, which cannot be trained", layer);
}

Tensor softmax_of(Graph& g, Tensor logits_TE) {
    const Tensor out = g.arena().tensor(DType::f32, logits_TE.shape);
    kernels::softmax(out, logits_TE);
    return out;
}

// What weights are made of; of selected or near logits the softmax comes later.
Tensor scores(Graph& g, Score kind, Tensor logits_TE) {
    if (kind == Score::softmax) return softmax_of(g, logits_TE);
    if (kind == Score::softmax_selected || kind == Score::sparsemixer) return logits_TE;
    const Tensor out = g.arena().tensor(DType::f32, logits_TE.shape);
    parallel_chunks(logits_TE.count(), chunk_elements, [&](int64_t begin, int64_t end) {
        std::transform(logits_TE.f32() + begin, logits_TE.f32() + end, out.f32() + begin,
                       [](float x) { return 1 / (1 + std::exp(-x)); });
    });
    return out;
}

// The balance terms, and the backward of the whole decision.
void add_losses(Graph& g, const RouterPolicy& policy, Var logits_TE, Tensor score_TE, std::vector<int32_t> chosen_Tk,
                Routing& routing) {
    const Shape per_token{logits_TE->value.rows()};
    routing.balance_loss = g.make(DType::f32, {1}, logits_TE->wants_grad);
    routing.z_loss = g.make(DType::f32, {1}, logits_TE->wants_grad);
    RoutingRecord record{.policy = policy,
                         .top_k = routing.top_k,
                         .chosen_Tk = std::move(chosen_Tk),
                         .ids_Tk = routing.ids_Tk,
                         .load_E = routing.load_E,
                         .logits_TE = logits_TE,
                         .weights_Tk = routing.weights_Tk,
                         .balance_loss = routing.balance_loss,
                         .z_loss = routing.z_loss,
                         .softmax_TE = policy.score == Score::softmax ? score_TE : softmax_of(g, logits_TE->value),
                         .score_TE = score_TE,
                         .logsumexp_T = g.arena().tensor(DType::f32, per_token),
                         .score_sum_T = g.arena().tensor(DType::f32, per_token)};
    record.compute_losses();
    if (!logits_TE->wants_grad) return;
    g.record({routing.weights_Tk, routing.balance_loss, routing.z_loss},
             [&g, record = std::move(record)] { record.backward(g); });
}

}  // namespace

Routing route(Graph& g, Var x_TD, const RouterPolicy& policy, const RouteInputs& inputs) {
    const int64_t tokens = x_TD->value.rows();
    const Var logits_TE = ops::linear_f32(g, x_TD, inputs.router_ED, inputs.bias_E);
    if (logits_TE->value.cols() != policy.experts) {
        fail("layer {}: the router is {} for {} experts", inputs.layer, to_string(inputs.router_ED.value.shape),
             policy.experts);
    }
    if (policy.correction_bias && inputs.correction_E.count() != policy.experts) {
        fail("layer {}: the correction bias is {} for {} experts", inputs.layer, to_string(inputs.correction_E.shape),
             policy.experts);
    }
    const std::span<float> logits = all_of(logits_TE->value);
    const TokenBatch nothing_known;
    const TokenBatch& batch = inputs.batch ? *inputs.batch : nothing_known;
    Routing routing;
    routing.top_k = policy.top_k;
    SelectionRules rules;
    if (inputs.hook) {
        inputs.hook->before_selection({inputs.layer, batch, policy.experts, logits, routing.top_k, rules});
    }
    if (routing.top_k < 1 || routing.top_k > policy.experts) {
        fail("layer {}: top-k is {} of {} experts", inputs.layer, routing.top_k, policy.experts);
    }
    check(rules, policy, inputs.layer, routing.top_k, g.training());

    const Tensor score_TE = scores(g, policy.score, logits_TE->value);
    std::vector<int32_t> chosen_Tk(static_cast<size_t>(tokens * routing.top_k));
    routing.ids_Tk.resize(chosen_Tk.size());
    routing.weights_Tk = g.make(DType::f32, {tokens, routing.top_k}, logits_TE->wants_grad);
    const std::span<float> weights = all_of(routing.weights_Tk->value);
    std::vector<float> margin_T(inputs.hook ? static_cast<size_t>(tokens) : 0);
    const Router router{.policy = policy,
                        .layer = inputs.layer,
                        .experts = static_cast<size_t>(policy.experts),
                        .top_k = static_cast<size_t>(routing.top_k),
                        .logits_TE = logits,
                        .score_TE = all_of(score_TE),
                        .correction_E = policy.correction_bias ? all_of(inputs.correction_E) : std::span<const float>(),
                        .noise_seed = inputs.noise_seed,
                        .chosen_Tk = chosen_Tk,
                        .ids_Tk = routing.ids_Tk,
                        .weights_Tk = weights,
                        .margin_T = margin_T,
                        .rules = rules};
    const auto for_each_token = [&](auto&& body) {
        parallel_chunks(tokens, chunk_tokens, [&](int64_t begin, int64_t end) {
            std::vector<float> scratch_E(router.experts);
            for (int64_t t = begin; t < end; ++t) body(static_cast<size_t>(t), scratch_E);
        });
    };
    const auto for_each_sequence = [&](auto&& body) {  // of those known; otherwise all tokens are one
        for (size_t begin = 0, end; begin < static_cast<size_t>(tokens); begin = end) {
            for (end = begin + 1; end < static_cast<size_t>(tokens) &&
                                  (batch.sequences.empty() || batch.sequences[end] == batch.sequences[begin]);)
                ++end;
            body(begin, end);
        }
    };
    const auto count_load = [&] {
        routing.load_E.assign(router.experts, 0);
        for (const int32_t e : routing.ids_Tk)
            if (e >= 0) ++routing.load_E[static_cast<size_t>(e)];
    };
    for_each_token([&](size_t t, std::span<float> scratch_E) { router.choose(t, scratch_E); });
    std::ranges::copy(chosen_Tk, routing.ids_Tk.begin());
    if (policy.second != RouterPolicy::Second::best && routing.top_k == 2 && rules.forced.empty())
        for_each_sequence([&](size_t begin, size_t end) {
            parallel_chunks(static_cast<int64_t>(end - begin), chunk_tokens, [&](int64_t from, int64_t to) {
                for (auto i = static_cast<size_t>(from); i < static_cast<size_t>(to); ++i)
                    router.reconsider_second(begin + i, i);
            });
        });
    count_load();
    if (const int64_t capacity = capacity_of(policy, tokens * routing.top_k, g.training()); capacity > 0)
        for_each_sequence([&](size_t begin, size_t end) { router.drop_overflow(capacity, begin, end); });
    for_each_token([&](size_t t, std::span<float> scratch_E) { router.weigh(t, scratch_E); });
    if (!rules.dropped.empty() || rules.mass < 1) {
        for_each_token([&](size_t t, std::span<float>) { router.give_up(t); });
        count_load();
    }

    if (inputs.hook) {
        inputs.hook->after_selection(
            {inputs.layer, batch, policy.experts, routing.top_k, logits, routing.ids_Tk, weights, margin_T});
    }
    if (g.training()) add_losses(g, policy, logits_TE, score_TE, std::move(chosen_Tk), routing);
    return routing;
}

void update_correction(Tensor correction_E, const std::vector<int64_t>& load_E, float rate) {
    const auto total = std::accumulate(load_E.begin(), load_E.end(), int64_t{0});
    const auto experts = static_cast<int64_t>(load_E.size());
    for (size_t e = 0; e < load_E.size(); ++e) {
        const int64_t missing = total - load_E[e] * experts;  // (mean − load) · E, exactly
        correction_E.f32()[e] += rate * static_cast<float>((missing > 0) - (missing < 0));
    }
}

double max_violation(const std::vector<int64_t>& load_E) {
    const auto total = std::accumulate(load_E.begin(), load_E.end(), int64_t{0});
    if (total == 0) return 0;
    const double mean = static_cast<double>(total) / static_cast<double>(load_E.size());
    return static_cast<double>(std::ranges::max(load_E)) / mean - 1;
}

}  // namespace gremium::moe
