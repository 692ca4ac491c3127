#include "moe/routers/router.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "moe/routers/routing_record.h"
#include "moe/routers/scores.h"
#include "moe/routers/token_choice.h"
#include "ops/ops.h"

namespace gremium::moe {
namespace {

using ops::Graph;
using ops::Var;

std::span<float> all_of(Tensor t) { return {t.f32(), static_cast<size_t>(t.count())}; }
std::span<const float> all_of(TensorView t) { return {t.f32(), static_cast<size_t>(t.count())}; }

void check_inputs(const RouterPolicy& policy, const RouteInputs& inputs, Tensor logits_TE) {
    if (logits_TE.cols() != policy.experts)
        fail("layer {}: the router is {} for {} experts", inputs.layer, to_string(inputs.router_ED.value.shape),
             policy.experts);
    if (policy.correction_bias && inputs.correction_E.count() != policy.experts)
        fail("layer {}: the correction bias is {} for {} experts", inputs.layer, to_string(inputs.correction_E.shape),
             policy.experts);
    int64_t behind = 0;
    for (const HookedRows& own : inputs.hooked) {
        if (own.row < behind || own.rows < 1 || own.row + own.rows > logits_TE.rows())
            fail("layer {}: a hook's rows {} to {} of {} do not exist, or overlap with another hook's", inputs.layer,
                 own.row, own.row + own.rows, logits_TE.rows());
        behind = own.row + own.rows;
    }
}

// Checks a hook's rules as any input: the experts must exist, and there may not be more than k.
void check(const SelectionTerms& terms, const RouterPolicy& policy, int layer, bool training) {
    const SelectionRules& rules = terms.rules;
    if (terms.top_k < 1 || terms.top_k > policy.experts)
        fail("layer {}: top-k is {} of {} experts", layer, terms.top_k, policy.experts);
    for (const std::vector<int32_t>* experts : {&rules.forced, &rules.dropped})
        for (const int32_t e : *experts)
            if (e < 0 || e >= policy.experts) fail("layer {}: there is no expert {} of {}", layer, e, policy.experts);
    for (const int32_t e : rules.forced)
        if (std::ranges::find(rules.dropped, e) != rules.dropped.end())
            fail("layer {}: expert {} is forced and dropped", layer, e);
    if (std::ssize(rules.forced) > terms.top_k)
        fail("layer {}: {} experts are forced, a token uses {}", layer, rules.forced.size(), terms.top_k);
    if (!(rules.mass > 0 && rules.mass <= 1))
        fail("layer {}: a mass of {}, expected above 0 and at most 1", layer, rules.mass);
    if (training && rules.give_up()) fail("layer {}: a routing hook drops choices, which cannot be trained", layer);
}

// The policy's terms first, then those of each sequence that has a hook.
std::vector<SelectionTerms> ask_hooks(const RouterPolicy& policy, const RouteInputs& inputs, Tensor logits_TE,
                                      bool training) {
    std::vector<SelectionTerms> terms{{.top_k = policy.top_k}};
    for (const HookedRows& own : inputs.hooked) {
        SelectionTerms& asked = terms.emplace_back(SelectionTerms{.top_k = policy.top_k});
        own.hook->before_selection({inputs.layer, own.batch, policy.experts,
                                    all_of(ops::rows_of(logits_TE, own.row, own.rows)), asked.top_k, asked.rules});
    }
    for (const SelectionTerms& each : terms) check(each, policy, inputs.layer, training);
    return terms;
}

// The sequences, cut where rows with a hook begin or end.
std::vector<SequencePart> parts_of(size_t tokens, const RouteInputs& inputs, std::span<const SelectionTerms> terms) {
    std::vector<SequencePart> parts;
    size_t hook = 0;
    for (size_t begin = 0, end; begin < tokens; begin = end) {
        end = tokens;
        if (!inputs.sequences.empty())
            for (end = begin + 1; end < tokens && inputs.sequences[end] == inputs.sequences[begin];) ++end;
        const SelectionTerms* own = &terms.front();
        if (hook < inputs.hooked.size()) {
            const auto first = static_cast<size_t>(inputs.hooked[hook].row);
            const size_t behind = first + static_cast<size_t>(inputs.hooked[hook].rows);
            if (first <= begin) own = &terms[hook + 1];
            end = std::min(end, first <= begin ? behind : first);
            if (end == behind) ++hook;
        }
        parts.push_back({begin, end, own});
    }
    return parts;
}

// The largest number of choices per token in these parts.
Routing make_routing(Graph& g, Var logits_TE, std::span<const SequencePart> parts,
                     std::span<const SelectionTerms> terms) {
    Routing routing;
    for (const SequencePart& part : parts) routing.top_k = std::max(routing.top_k, part.terms->top_k);
    for (const SequencePart& part : parts)
        if (g.training() && part.terms->top_k != routing.top_k)
            fail("{} and {} experts per token in one batch, which cannot be trained", part.terms->top_k, routing.top_k);
    for (const SelectionTerms& asked : terms.subspan(1)) routing.hooked_k.push_back(asked.top_k);
    const Tensor logits = logits_TE->value;
    routing.ids_Tk.resize(static_cast<size_t>(logits.rows() * routing.top_k));
    routing.weights_Tk = g.make(DType::f32, {logits.rows(), routing.top_k}, logits_TE->wants_grad);
    routing.load_E.resize(static_cast<size_t>(logits.cols()));
    return routing;
}

void tell_hooks(const RouterPolicy& policy, const RouteInputs& inputs, Tensor logits_TE, const Routing& routing,
                std::span<const float> margin_T) {
    for (size_t i = 0; i < inputs.hooked.size(); ++i) {
        const HookedRows& own = inputs.hooked[i];
        const int k = routing.hooked_k[i];
        const OwnChoices<int32_t> ids(routing.ids_Tk, own, routing.top_k, k);
        const OwnChoices<float> weights(routing.weights(), own, routing.top_k, k);
        own.hook->after_selection({inputs.layer, own.batch, policy.experts, k,
                                   all_of(ops::rows_of(logits_TE, own.row, own.rows)), ids.view(), weights.view(),
                                   margin_T.subspan(static_cast<size_t>(own.row), static_cast<size_t>(own.rows))});
    }
}

}  // namespace

Routing route(Graph& g, Var x_TD, const RouterPolicy& policy, const RouteInputs& inputs) {
    const Var logits_TE = ops::linear_f32(g, x_TD, inputs.router_ED, inputs.bias_E);
    const Tensor logits = logits_TE->value;
    const auto tokens = static_cast<size_t>(logits.rows());
    check_inputs(policy, inputs, logits);
    const std::vector<SelectionTerms> terms = ask_hooks(policy, inputs, logits, g.training());
    const std::vector<SequencePart> parts = parts_of(tokens, inputs, terms);
    const Tensor score_TE = scores(g, policy.score, logits);
    Routing routing = make_routing(g, logits_TE, parts, terms);
    std::vector<int32_t> chosen_Tk(routing.ids_Tk.size());
    std::vector<float> margin_T(inputs.hooked.empty() ? 0 : tokens);
    const TokenChoice choice{
        .policy = policy,
        .layer = inputs.layer,
        .training = g.training(),
        .noise_seed = inputs.noise_seed,
        .experts = static_cast<size_t>(policy.experts),
        .width = static_cast<size_t>(routing.top_k),
        .logits_TE = all_of(logits),
        .score_TE = all_of(score_TE),
        .correction_E = policy.correction_bias ? all_of(inputs.correction_E) : std::span<const float>(),
        .parts = parts,
        .chosen_Tk = chosen_Tk,
        .ids_Tk = routing.ids_Tk,
        .weights_Tk = all_of(routing.weights_Tk->value),
        .margin_T = margin_T,
        .load_E = routing.load_E};
    choice.choose();
    choice.reconsider_second();
    choice.count_load();
    choice.drop_overflow();
    choice.weigh();
    choice.give_up();
    tell_hooks(policy, inputs, logits, routing, margin_T);
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
