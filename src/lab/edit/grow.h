// Adds one expert to every layer, which tokens of a new kind of text choose and tokens of old text do not.
#pragma once

#include <memory>
#include <set>

#include "data/windows.h"
#include "engine/arithmetic.h"
#include "model/model.h"

namespace gremium::lab {

struct Grown {
    std::shared_ptr<const Model> model;
    std::set<moe::ExpertId> experts;         // the new ones, the last of their layers
    double chosen_text = 0, chosen_old = 0;  // share of tokens that choose them, mean over layers
};

// Each new expert begins as a copy of the one with the largest gate score on `text`. Its router row is a linear
// combination of the layer's other rows, fitted by least squares over the tokens of both texts. The target of its logit
// is one standard deviation above the token's best logit for `text`, and the token's lowest logit for `old`. If
// selection has a bias, it is then lowered until no more than `old_share` of the old tokens choose the expert. Throws
// Error: no text, groups of experts.
Grown grow(std::shared_ptr<const Model> model, const data::Windows& text, const data::Windows& old,
           double old_share = 0.02, engine::Arithmetic arithmetic = engine::Arithmetic::exact);

}  // namespace gremium::lab
