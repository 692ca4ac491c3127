// Room for something new: one more expert in every layer, which the new kind of text chooses and the old does not.
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
    double chosen_text = 0, chosen_old = 0;  // shares of tokens that choose them, means over layers
};

// Each new expert begins as a copy of the one with the largest gate score on the text. Its router row is the
// combination of the layer's other rows whose logit comes nearest, by least squares over the tokens of both texts, to a
// standard deviation above the token's best logit in `text` and to its lowest one in `old`. Where selection knows a
// bias, it is then lowered until no more than `old_share` of the old tokens choose the expert. Throws Error: no text,
// groups of experts.
Grown grow(std::shared_ptr<const Model> model, const data::Windows& text, const data::Windows& old,
           double old_share = 0.02, engine::Arithmetic arithmetic = engine::Arithmetic::exact);

}  // namespace gremium::lab
