// What traces say about the experts, by the definitions of Muennighoff et al.: OLMoE (2024), section 5. N counts
// tokens:
//   domain specialisation      N(e, D) / N(D)     share of the tokens of domain D that chose expert e; k / E where even
//   vocabulary specialisation  N(e, x) / N(x)     the same of the tokens with id x
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
    std::vector<int64_t> tokens;  // of each domain
    std::vector<LayerStatistics> layers;
};

// Reads the traces once, and again for the vocabulary as often as its counts do not fit in 256 MiB.
Statistics statistics_of(const TraceDirectory& traces);

// −Σ p ln p / ln E of p_e = N_e / Σ N: 1 where experts are chosen equally often, 0 where it is always the same one.
double load_entropy(const LayerCounts& counts);
double specialisation(const LayerCounts& domain, int expert);
double coactivation(const LayerCounts& counts, int e, int f);

// Everything above for machines: {"model", "hash", "domains":[{"name", "tokens"}], "layers":[{"layer", "experts",
// "vocabulary", "domains":[{"entropy", "max_violation", "chosen":[E], "specialisation":[E], "weight":[E],
// "weighted_norm":[E]}], "pairs":[[e, f, N(e, f)]…], "typical":[[[token, N(e, x), N(x)]…]…]}]}. weight and
// weighted_norm are means over the tokens that chose the expert; pairs are of all domains, e < f, N > 0.
nlohmann::ordered_json to_json(const Statistics& statistics, const TraceDirectory& traces);

// A row a layer, for readers at a terminal.
std::string to_table(const Statistics& statistics);

}  // namespace gremium::lab
