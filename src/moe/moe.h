// The mixture-of-experts feed-forward in four verbs: route, dispatch, experts, combine.
#pragma once

#include "moe/dispatch.h"
#include "moe/expert_store.h"
#include "moe/router.h"
#include "ops/ops.h"

namespace gremium::moe {

// y_RD = down( act(gate·x) ⊙ up·x ) for the rows of the plan, by expert. The plan and lease must outlive the tape.
ops::Var experts(ops::Graph& g, ops::Var x_TD, const DispatchPlan& plan, const ExpertLease& lease,
                 ops::Activation act);

// y_TD[t] = Σ_j weights[t, j] · y_RD[row_of(t, j)], f32, j ascending. Differentiable in both.
ops::Var combine(ops::Graph& g, ops::Var y_RD, ops::Var weights_Tk, const DispatchPlan& plan, int64_t tokens);

// The whole layer without norm and residual; shared experts are the caller's dense feed-forward beside it.
struct MoeOutput {
    ops::Var y_TD;
    Routing routing;
};
MoeOutput mixture(ops::Graph& g, ops::Var x_TD, const RouterPolicy& policy, const RouteInputs& inputs,
                  ExpertStore& store, ops::Activation act);

}  // namespace gremium::moe
