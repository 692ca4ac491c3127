// Statistics of experts from traces, as defined by Muennighoff et al.: OLMoE (2024), section 5. N counts tokens:
//   domain specialisation      N(e, D) / N(D)     share of the tokens of domain D that chose expert e; k / E if even
//   vocabulary specialisation  N(e, x) / N(x)     the same for the tokens with id x
//   co-activation              N(e, f) / N(e)     share of the tokens of e that also chose f
// Router saturation is in saturation.h.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

#include "lab/trace/vocabulary_counts.h"

namespace gremium::lab {

struct Statistics {
    std::vector<std::string> domains;
    std::vector<int64_t> tokens;  // by domain
    std::vector<LayerStatistics> layers;
};

// Reads the traces once, and then as many times as the vocabulary's counts need to stay within 256 MiB.
Statistics statistics_of(const TraceDirectory& traces);

// −Σ p ln p / ln E with p_e = N_e / Σ N: 1 if experts are chosen equally often, 0 if it is always the same one.
double load_entropy(const LayerCounts& counts);
double specialisation(const LayerCounts& domain, int expert);
double coactivation(const LayerCounts& counts, int e, int f);

// Everything above as JSON: {"model", "hash", "domains":[{"name", "tokens"}], "layers":[{"layer", "experts",
// "vocabulary", "domains":[{"entropy", "max_violation", "chosen":[E], "specialisation":[E], "weight":[E],
// "weighted_norm":[E]}], "pairs":[[e, f, N(e, f)]…], "typical":[[[token, N(e, x), N(x)]…]…]}]}. weight and
// weighted_norm are means over the tokens that chose the expert; pairs are of all domains, e < f, N > 0.
nlohmann::ordered_json to_json(const Statistics& statistics, const TraceDirectory& traces);

// A table with one row per layer, for the terminal.
std::string to_table(const Statistics& statistics);

}  // namespace gremium::lab
