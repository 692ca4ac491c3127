// The experts behind a kind of text: what routing does more for it than for other text, with the doubt that belongs to
// it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "data/windows.h"
#include "engine/arithmetic.h"
#include "model/model.h"
#include "moe/store/contract.h"

namespace gremium::lab {

// How a text used one expert. Shares of a window are the unit of doubt: tokens of one text are no independent draws.
struct ExpertUse {
    moe::ExpertId id = {};
    int64_t chosen = 0;                // tokens that chose it
    std::vector<double> share_W = {};  // of a window's tokens, by window
    std::vector<double> gate_W = {};   // its part of the layer's weights, mean over a window's tokens
    double token_ratio = 0;            // its part of the layer's choices
    double gate() const;               // mean of gate_W: ESFT's average gate score, of which a layer has 1
    double share() const;              // mean of share_W
};
// All experts, by layer and id. Windows as in compare.
std::vector<ExpertUse> measure_use(const Model& model, const data::Windows& windows,
                                   engine::Arithmetic arithmetic = engine::Arithmetic::exact);

enum class Score : uint8_t {
    risk,    // p(chosen | for) − p(chosen | against): SteerMoE's risk difference (Fayyaz et al. 2025)
    gate,    // the same difference of ESFT's average gate scores (Wang et al. 2024, eq. 6), each 1 a layer
    tokens,  // the same difference of ESFT's token selection ratios (eq. 7), each 1 a layer
    npmi,    // normalised pointwise mutual information of choice and text, both kinds of text weighed alike
};

struct Finding {
    moe::ExpertId id = {};
    int64_t chosen_for = 0, chosen_against = 0;
    double share_for = 0, share_against = 0;       // of tokens
    double risk = 0, risk_low = 0, risk_high = 0;  // with its 95 % interval (Welch, over windows)
    double gate_for = 0, gate_against = 0, tokens_for = 0, tokens_against = 0, npmi = 0;
    double p = 1, q = 1;  // two-sided, of no difference; q: Benjamini and Hochberg's over all experts tested
    double again_risk = 0, again_p = 1;  // in the other half of the texts
    bool accepted = false;               // used often enough, q small, and the same again

    double score(Score by) const;
};

struct FindOptions {
    Score by = Score::risk;
    int64_t least_chosen = 30;  // by both texts together: others are not tested
    double level = 0.05;        // of q, and of p in the other half
    engine::Arithmetic arithmetic = engine::Arithmetic::exact;
};

// Best first, all experts of the model. `found` and `again` are the halves.
std::vector<Finding> find_experts(const Model& model, const data::Halves& text_for, const data::Halves& text_against,
                                  const FindOptions& options = {});

// The accepted experts that stand first: at most this share of all findings, but at least one.
std::set<moe::ExpertId> first_accepted(const std::vector<Finding>& findings, double share);

// Benjamini and Hochberg 1995: the false discovery rate at which each hypothesis would be rejected.
std::vector<double> adjusted(const std::vector<double>& p);

}  // namespace gremium::lab
