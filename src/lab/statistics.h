// What traces say about the experts, by the definitions of Muennighoff et al.: OLMoE (2024), section 5. N counts tokens:
//   domain specialisation      N(e, D) / N(D)     share of the tokens of domain D that chose expert e; k / E where even
//   vocabulary specialisation  N(e, x) / N(x)     the same of the tokens with id x
//   co-activation              N(e, f) / N(e)     share of the tokens of e that also chose f
// Router saturation is in saturation.h.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

#include "lab/counts.h"
#include "lab/trace_directory.h"

namespace gremium::lab {

// A token id among those that chose an expert, in all domains together.
struct TypicalToken {
    int32_t token;
    int64_t chose, seen;  // N(e, x), N(x)
    double share() const { return static_cast<double>(chose) / static_cast<double>(seen); }
};

struct LayerStatistics {
    std::vector<LayerCounts> domains;  // as TraceDirectory::domains
    LayerCounts all;                   // their sum
    // Σ_x N(x) · max_e N(e, x) / N(x) / Σ_x N(x), over the ids seen at least rare_token times: how far the id alone says
    // which expert comes.
    double vocabulary = 0;
    std::vector<std::vector<TypicalToken>>
        typical_E;  // best first: by the lower end of their share's interval
};

struct Statistics {
    std::vector<std::string> domains;
    std::vector<int64_t> tokens;  // of each domain
    std::vector<LayerStatistics> layers;
};

inline constexpr int64_t rare_token = 8;
inline constexpr size_t typical_tokens = 12;  // kept of each expert

// Reads the traces once, and again for the vocabulary as often as its counts do not fit in 256 MiB.
Statistics statistics_of(const TraceDirectory& traces);

// −Σ p ln p / ln E of p_e = N_e / Σ N: 1 where experts are chosen equally often, 0 where it is always the same one.
double load_entropy(const LayerCounts& counts);
double specialisation(const LayerCounts& domain, int expert);
double coactivation(const LayerCounts& counts, int e, int f);

// Lower end of the 95 % interval of a share (Wilson 1927).
double wilson_lower(int64_t successes, int64_t trials);

// Everything above for machines: {"model", "hash", "domains":[{"name", "tokens"}], "layers":[{"layer", "experts",
// "vocabulary", "domains":[{"entropy", "max_violation", "chosen":[E], "specialisation":[E], "weight":[E],
// "weighted_norm":[E]}], "pairs":[[e, f, N(e, f)]…], "typical":[[[token, N(e, x), N(x)]…]…]}]}. weight and
// weighted_norm are means over the tokens that chose the expert; pairs are of all domains, e < f, N > 0.
nlohmann::ordered_json to_json(const Statistics& statistics, const TraceDirectory& traces);

// A row a layer, for readers at a terminal.
std::string to_table(const Statistics& statistics);

}  // namespace gremium::lab
