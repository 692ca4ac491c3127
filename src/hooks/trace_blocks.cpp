#include "hooks/trace_blocks.h"

#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "tensor/quantised/blocks.h"

namespace gremium::hooks {
namespace {

constexpr int64_t chunk_rows = 64;

template <typename T>
void assign(std::vector<T>& to, std::span<const T> from) {
    to.assign(from.begin(), from.end());
}

// Several independent sums let the compiler vectorise the loop.
float euclidean_norm(const float* x, size_t n) {
    constexpr size_t lanes = 16;
    float sums[lanes] = {};
    size_t i = 0;
    for (; i + lanes <= n; i += lanes)
        for (size_t l = 0; l < lanes; ++l) sums[l] += x[i + l] * x[i + l];
    for (; i < n; ++i) sums[0] += x[i] * x[i];
    return std::sqrt(std::accumulate(sums, sums + lanes, 0.0f));
}

}  // namespace

std::vector<TraceLayer> trace_layers(const ModelSpec& spec) {
    std::vector<TraceLayer> layers;
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const MoeSpec* moe = spec.layers[l].moe();
        if (moe) layers.push_back({static_cast<int>(l), moe->router.experts});
    }
    return layers;
}

TraceCollector::TraceCollector(const ModelSpec& spec, Options options, OnBlock on_block)
    : row_of_layer_(spec.layers.size(), -1), options_(options), on_block_(std::move(on_block)) {
    const std::vector<TraceLayer> layers = trace_layers(spec);
    for (size_t r = 0; r < layers.size(); ++r)
        row_of_layer_[static_cast<size_t>(layers[r].layer)] = static_cast<int>(r);
    block_.layers.resize(layers.size());
}

void TraceCollector::after_selection(const moe::AfterSelection& s) {
    const auto row = static_cast<size_t>(row_of_layer_[static_cast<size_t>(s.layer)]);
    if (row != rows_++) fail("trace: layer {} reported out of turn", s.layer);
    TraceBlock::Layer& layer = block_.layers[row];
    layer.top_k = s.top_k;
    assign(layer.ids_Tk, s.ids_Tk);
    assign(layer.weights_Tk, s.weights_Tk);
    assign(layer.margin_T, s.margin_T);
    layer.norms_Tk.assign(options_.norms ? layer.ids_Tk.size() : 0, 0);
}

void TraceCollector::contributes(const moe::Contribution& c) {
    // The embedding is the first part of a forward.
    if (c.part == moe::Part::embedding) {
        finish();
        assign(block_.tokens, c.batch.tokens);
        assign(block_.positions, c.batch.positions);
    }
    if (!options_.norms || c.part != moe::Part::experts) return;
    std::vector<float>& norms =
        block_.layers[static_cast<size_t>(row_of_layer_[static_cast<size_t>(c.layer)])].norms_Tk;
    parallel_chunks(static_cast<int64_t>(norms.size()), chunk_rows, [&](int64_t begin, int64_t end) {
        std::vector<float> row(static_cast<size_t>(c.y.cols()));
        for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
            if (c.row_of_Tk[i] < 0) continue;
            dequantise_row(c.y.dtype, c.y.row(c.row_of_Tk[i]), row.data(), c.y.cols());
            norms[i] = euclidean_norm(row.data(), row.size());
        }
    });
}

void TraceCollector::finish() {
    if (block_.tokens.empty()) return;
    if (rows_ != block_.layers.size()) fail("trace: {} of {} layers reported", rows_, block_.layers.size());
    on_block_(block_);
    block_.tokens.clear();
    rows_ = 0;
}

}  // namespace gremium::hooks
