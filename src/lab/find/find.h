// Finds experts that are used more for one kind of text than for another, with confidence intervals.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "data/windows.h"
#include "engine/arithmetic.h"
#include "model/model.h"
#include "moe/store/contract.h"

namespace gremium::lab {

// How a text used one expert. Statistics treat windows as the independent samples, because the tokens of a text are
// not.
struct ExpertUse {
    moe::ExpertId id = {};
    int64_t chosen = 0;                // tokens that chose it
    std::vector<double> share_W = {};  // [windows]: share of the window's tokens that chose it
    std::vector<double> gate_W = {};   // [windows]: its share of the layer's routing weights, mean over tokens
    double token_ratio = 0;            // its share of the layer's choices
    double gate() const;               // mean of gate_W: ESFT's average gate score, which sums to 1 over a layer
    double share() const;              // mean of share_W
};
// All experts, by layer and id. Windows as for compare().
std::vector<ExpertUse> measure_use(const Model& model, const data::Windows& windows,
                                   engine::Arithmetic arithmetic = engine::Arithmetic::exact);

enum class Score : uint8_t {
    risk,    // p(chosen | for) − p(chosen | against): SteerMoE's risk difference (Fayyaz et al. 2025)
    gate,    // the same difference of ESFT's average gate scores (Wang et al. 2024, eq. 6), which sum to 1 per layer
    tokens,  // the same difference of ESFT's token selection ratios (eq. 7), which sum to 1 per layer
    npmi,    // normalised pointwise mutual information of choice and text, both kinds of text weighted equally
};

struct Finding {
    moe::ExpertId id = {};
    int64_t chosen_for = 0, chosen_against = 0;
    double share_for = 0, share_against = 0;       // share of tokens that chose it
    double risk = 0, risk_low = 0, risk_high = 0;  // with its 95 % confidence interval (Welch, over windows)
    double gate_for = 0, gate_against = 0, tokens_for = 0, tokens_against = 0, npmi = 0;
    // Two-sided, against no difference; q: p adjusted by Benjamini and Hochberg over all experts tested.
    double p = 1, q = 1;
    // In the other half of the texts.
    double again_risk = 0, again_p = 1;
    // Used often enough, q small enough, and confirmed by the other half.
    bool accepted = false;

    double score(Score by) const;
};

struct FindOptions {
    Score by = Score::risk;
    int64_t least_chosen = 30;  // experts that fewer tokens of both texts chose are not tested
    double level = 0.05;        // significance level of q, and of p in the other half
    engine::Arithmetic arithmetic = engine::Arithmetic::exact;
};

// All experts of the model, best first. One half of the texts finds them, the other confirms.
std::vector<Finding> find_experts(const Model& model, const data::Halves& text_for, const data::Halves& text_against,
                                  const FindOptions& options = {});

// The first accepted experts: at most this share of all findings, but at least one.
std::set<moe::ExpertId> first_accepted(const std::vector<Finding>& findings, double share);

// Benjamini and Hochberg 1995: for each hypothesis the false discovery rate at which it would be rejected.
std::vector<double> adjusted(const std::vector<double>& p);

}  // namespace gremium::lab
