#include "lab/trace/vocabulary_counts.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace gremium::lab {
namespace {

constexpr size_t memory = size_t{256} << 20;

// N(e, x) for a layer.
struct LayerVocabulary {
    size_t experts;
    std::vector<uint32_t> chose_VE;
    std::span<const uint32_t> of(size_t token) const { return {chose_VE.data() + token * experts, experts}; }
};

void count(LayerVocabulary& layer, const hooks::TraceBlock& block, size_t row) {
    const hooks::TraceBlock::Layer& choices = block.layers[row];
    const auto k = static_cast<size_t>(choices.top_k);
    for (size_t i = 0; i < choices.ids_Tk.size(); ++i) {
        if (choices.ids_Tk[i] < 0) continue;
        const auto token = static_cast<size_t>(block.tokens[i / k]);
        ++layer.chose_VE[token * layer.experts + static_cast<size_t>(choices.ids_Tk[i])];
    }
}

double mean_of_best(const LayerVocabulary& layer, const std::vector<int64_t>& seen_V) {
    double best = 0, seen = 0;
    for (size_t token = 0; token < seen_V.size(); ++token) {
        if (seen_V[token] < rare_token) continue;
        best += std::ranges::max(layer.of(token));
        seen += static_cast<double>(seen_V[token]);
    }
    return seen > 0 ? best / seen : 0;
}

std::vector<TypicalToken> typical_of(const LayerVocabulary& layer, const std::vector<int64_t>& seen_V, size_t e) {
    std::vector<std::pair<double, TypicalToken>> ranked;
    for (size_t token = 0; token < seen_V.size(); ++token) {
        const int64_t chose = layer.of(token)[e];
        if (seen_V[token] < rare_token || chose == 0) continue;
        ranked.push_back({wilson_lower(chose, seen_V[token]), {static_cast<int32_t>(token), chose, seen_V[token]}});
    }
    const size_t kept = std::min(ranked.size(), typical_tokens);
    const auto better = [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second.token < b.second.token;
    };
    std::ranges::partial_sort(ranked, ranked.begin() + static_cast<std::ptrdiff_t>(kept), better);
    std::vector<TypicalToken> typical;
    for (size_t i = 0; i < kept; ++i) typical.push_back(ranked[i].second);
    return typical;
}

}  // namespace

double wilson_lower(int64_t successes, int64_t trials) {
    if (trials == 0) return 0;
    // The 97.5 % quantile of the normal distribution.
    constexpr double z = 1.959963984540054;
    const auto n = static_cast<double>(trials);
    const double p = static_cast<double>(successes) / n;
    return (p + z * z / (2 * n) - z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n);
}

void add_vocabulary(const TraceDirectory& traces, std::vector<LayerStatistics>& layers) {
    const size_t vocab = traces.pieces.size();
    for (size_t first = 0, last = 0; first < layers.size(); first = last) {
        std::vector<LayerVocabulary> counts;
        for (size_t bytes = 0; last < layers.size(); ++last) {
            const auto experts = static_cast<size_t>(traces.layers[last].experts);
            bytes += vocab * experts * sizeof(uint32_t);
            if (!counts.empty() && bytes > memory) break;
            counts.push_back({experts, std::vector<uint32_t>(vocab * experts)});
        }
        std::vector<int64_t> seen_V(vocab);
        hooks::TraceBlock block;
        for (const DomainTrace& domain : traces.domains) {
            TraceReader reader(domain.path);
            while (reader.next(block)) {
                for (const int32_t token : block.tokens) ++seen_V[static_cast<size_t>(token)];
                for (size_t i = 0; i < counts.size(); ++i) count(counts[i], block, first + i);
            }
        }
        for (size_t i = 0; i < counts.size(); ++i) {
            LayerStatistics& layer = layers[first + i];
            layer.vocabulary = mean_of_best(counts[i], seen_V);
            for (size_t e = 0; e < counts[i].experts; ++e) layer.typical_E.push_back(typical_of(counts[i], seen_V, e));
        }
    }
}

}  // namespace gremium::lab
