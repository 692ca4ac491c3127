// The mixture-of-experts feed-forward in four verbs: route, dispatch, experts, combine.
#pragma once

#include "moe/dispatch.h"
#include "moe/routers/router.h"
#include "moe/store/contract.h"
#include "ops/ops.h"

namespace gremium::moe {

// x_RD[row_of(t, j)] = weights[t, j] · x_TD[t]: the experts' input if the routing weight applies to it (Llama 4).
// Differentiable in both. The plan must outlive the tape.
ops::Var weighted_rows(ops::Graph& g, ops::Var x_TD, ops::Var weights_Tk, const DispatchPlan& plan);

// y_RD = down( act(gate·x) ⊙ up·x ) for the rows of the plan, by expert, with biases if experts have them. x has one
// row per token, which are gathered here, or one per row of the plan. The plan and lease must outlive the tape.
enum class RowsOf : uint8_t { tokens, plan };
ops::Var experts(ops::Graph& g, ops::Var x, const DispatchPlan& plan, const ExpertLease& lease, ops::Activation act,
                 RowsOf rows_of = RowsOf::tokens);

// y_TD[t] = Σ_j weights[t, j] · y_RD[row_of(t, j)], f32, j ascending. Differentiable in both. Null weights: all 1.
ops::Var combine(ops::Graph& g, ops::Var y_RD, ops::Var weights_Tk, const DispatchPlan& plan, int64_t tokens);

// The whole layer without norm and residual. A shared expert is a dense feed-forward that the caller adds.
struct MoeOutput {
    ops::Var y_TD;
    Routing routing;
};
MoeOutput mixture(ops::Graph& g, ops::Var x_TD, const RouterPolicy& policy, const RouteInputs& inputs,
                  ExpertStore& store, ops::Activation act);

}  // namespace gremium::moe
