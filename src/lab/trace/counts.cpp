#include "lab/trace/counts.h"

namespace gremium::lab {
namespace {

void count_token(LayerCounts& counts, const hooks::TraceBlock::Layer& layer, size_t t) {
    const auto k = static_cast<size_t>(layer.top_k), experts = static_cast<size_t>(counts.experts);
    for (size_t j = t * k; j < (t + 1) * k; ++j) {
        if (layer.ids_Tk[j] < 0) continue;
        const auto e = static_cast<size_t>(layer.ids_Tk[j]);
        const double weight = layer.weights_Tk[j];
        ++counts.choices;
        ++counts.chosen_E[e];
        counts.weight_E[e] += weight;
        if (!layer.norms_Tk.empty()) counts.weighted_norm_E[e] += weight * double{layer.norms_Tk[j]};
        for (size_t i = t * k; i < (t + 1) * k; ++i)
            if (layer.ids_Tk[i] >= 0) ++counts.pairs_EE[e * experts + static_cast<size_t>(layer.ids_Tk[i])];
    }
}

}  // namespace

RouteCounts::RouteCounts(const std::vector<hooks::TraceLayer>& layers) {
    for (const hooks::TraceLayer& l : layers) {
        const auto experts = static_cast<size_t>(l.experts);
        layers_.push_back({.layer = l.layer,
                           .experts = l.experts,
                           .chosen_E = std::vector<int64_t>(experts),
                           .weight_E = std::vector<double>(experts),
                           .weighted_norm_E = std::vector<double>(experts),
                           .pairs_EE = std::vector<int64_t>(experts * experts)});
    }
}

void RouteCounts::add(const hooks::TraceBlock& block, size_t begin, size_t end) {
    for (size_t r = 0; r < layers_.size(); ++r) {
        layers_[r].tokens += static_cast<int64_t>(end - begin);
        for (size_t t = begin; t < end; ++t) count_token(layers_[r], block.layers[r], t);
    }
}

}  // namespace gremium::lab
