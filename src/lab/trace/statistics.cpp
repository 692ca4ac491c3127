#include "lab/trace/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "lab/trace/vocabulary_counts.h"
#include "moe/routers/router.h"

namespace gremium::lab {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
void add_to(std::vector<T>& sums, const std::vector<T>& more) {
    std::ranges::transform(sums, more, sums.begin(), std::plus());
}

void add_to(LayerCounts& sums, const LayerCounts& more) {
    sums.tokens += more.tokens;
    sums.choices += more.choices;
    add_to(sums.chosen_E, more.chosen_E);
    add_to(sums.weight_E, more.weight_E);
    add_to(sums.weighted_norm_E, more.weighted_norm_E);
    add_to(sums.pairs_EE, more.pairs_EE);
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

Json means(const std::vector<double>& sums, const std::vector<int64_t>& counts) {
    Json out = Json::array();
    for (size_t i = 0; i < sums.size(); ++i) out.push_back(ratio(sums[i], static_cast<double>(counts[i])));
    return out;
}

Json domain_json(const LayerCounts& c) {
    Json share = Json::array();
    for (int e = 0; e < c.experts; ++e) share.push_back(specialisation(c, e));
    return {{"entropy", load_entropy(c)},
            {"max_violation", moe::max_violation(c.chosen_E)},
            {"chosen", c.chosen_E},
            {"specialisation", std::move(share)},
            {"weight", means(c.weight_E, c.chosen_E)},
            {"weighted_norm", means(c.weighted_norm_E, c.chosen_E)}};
}

Json pairs_json(const LayerCounts& c) {
    Json pairs = Json::array();
    for (int e = 0; e < c.experts; ++e)
        for (int f = e + 1; f < c.experts; ++f)
            if (c.pairs(e, f) > 0) pairs.push_back({e, f, c.pairs(e, f)});
    return pairs;
}

Json typical_json(const LayerStatistics& layer) {
    Json experts = Json::array();
    for (const auto& tokens : layer.typical_E) {
        Json list = Json::array();
        for (const TypicalToken& t : tokens) list.push_back({t.token, t.chose, t.seen});
        experts.push_back(std::move(list));
    }
    return experts;
}

// "17 62%": the expert that the largest share of a domain's tokens chose.
std::string favourite(const LayerCounts& c) {
    const auto best = std::ranges::max_element(c.chosen_E);
    const auto e = static_cast<int>(best - c.chosen_E.begin());
    return fmt::format("{} {:.0f}%", e, 100 * specialisation(c, e));
}

// "3→9 41%": the pair in which the largest share of the first expert's tokens also chose the second. Rarely chosen
// experts are left out.
std::string closest_pair(const LayerCounts& c) {
    int a = 0, b = 0;
    double best = 0;
    for (int e = 0; e < c.experts; ++e) {
        for (int f = 0; f < c.experts; ++f) {
            if (e == f || c.chosen_E[static_cast<size_t>(e)] * c.experts < c.choices / 10) continue;
            if (coactivation(c, e, f) > best) best = coactivation(c, e, f), a = e, b = f;
        }
    }
    return a == b ? "" : fmt::format("{}\u2192{} {:.0f}%", a, b, 100 * best);
}

}  // namespace

double load_entropy(const LayerCounts& counts) {
    double entropy = 0;
    for (const int64_t n : counts.chosen_E) {
        const double p = ratio(static_cast<double>(n), static_cast<double>(counts.choices));
        if (p > 0) entropy -= p * std::log(p);
    }
    return counts.experts > 1 ? entropy / std::log(counts.experts) : 1;
}

double specialisation(const LayerCounts& domain, int expert) {
    return ratio(static_cast<double>(domain.chosen_E[static_cast<size_t>(expert)]), static_cast<double>(domain.tokens));
}

double coactivation(const LayerCounts& counts, int e, int f) {
    return ratio(static_cast<double>(counts.pairs(e, f)), static_cast<double>(counts.pairs(e, e)));
}

Statistics statistics_of(const TraceDirectory& traces) {
    Statistics result;
    result.layers.resize(traces.layers.size());
    RouteCounts all(traces.layers);
    for (size_t r = 0; r < result.layers.size(); ++r) result.layers[r].all = all.layers()[r];
    hooks::TraceBlock block;
    for (const DomainTrace& domain : traces.domains) {
        RouteCounts counts(traces.layers);
        TraceReader reader(domain.path);
        while (reader.next(block)) counts.add(block);
        result.domains.push_back(domain.name);
        result.tokens.push_back(counts.layers().front().tokens);
        for (size_t r = 0; r < result.layers.size(); ++r) {
            add_to(result.layers[r].all, counts.layers()[r]);
            result.layers[r].domains.push_back(counts.layers()[r]);
        }
    }
    add_vocabulary(traces, result.layers);
    return result;
}

Json to_json(const Statistics& statistics, const TraceDirectory& traces) {
    Json domains = Json::array(), layers = Json::array();
    for (size_t d = 0; d < statistics.domains.size(); ++d)
        domains.push_back({{"name", statistics.domains[d]}, {"tokens", statistics.tokens[d]}});
    for (const LayerStatistics& layer : statistics.layers) {
        Json by_domain = Json::array();
        for (const LayerCounts& counts : layer.domains) by_domain.push_back(domain_json(counts));
        layers.push_back({{"layer", layer.all.layer},
                          {"experts", layer.all.experts},
                          {"vocabulary", layer.vocabulary},
                          {"domains", std::move(by_domain)},
                          {"pairs", pairs_json(layer.all)},
                          {"typical", typical_json(layer)}});
    }
    return {
        {"model", traces.model}, {"hash", traces.hash}, {"domains", std::move(domains)}, {"layers", std::move(layers)}};
}

std::string to_table(const Statistics& statistics) {
    std::string out = fmt::format("{:<6} {:>7} {:>6} {:>6}", "layer", "entropy", "maxvio", "vocab");
    for (const std::string& name : statistics.domains) out += fmt::format(" {:>10.10}", name);
    out += fmt::format("  {}\n", "pair");
    for (const LayerStatistics& layer : statistics.layers) {
        out += fmt::format("{:<6} {:>7.3f} {:>6.2f} {:>5.0f}%", layer.all.layer, load_entropy(layer.all),
                           moe::max_violation(layer.all.chosen_E), 100 * layer.vocabulary);
        for (const LayerCounts& domain : layer.domains) out += fmt::format(" {:>10}", favourite(domain));
        out += fmt::format("  {}\n", closest_pair(layer.all));
    }
    return out;
}

}  // namespace gremium::lab
