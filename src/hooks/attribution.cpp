#include "hooks/attribution.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>
#include <numeric>

#include "base/error.h"
#include "tensor/quantised/blocks.h"

namespace gremium::hooks {
namespace {

constexpr std::array<std::string_view, 6> part_names{"embedding", "mixer", "cross", "dense", "experts", "shared"};

std::vector<double> row_of(TensorView t, int64_t row) {
    std::vector<float> x(static_cast<size_t>(t.cols()));
    dequantise_row(t.dtype, t.row(row), x.data(), t.cols());
    return {x.begin(), x.end()};
}

std::vector<double> vector_of(const ops::Weight& w, size_t size, double otherwise) {
    return w ? row_of(reshape(w.value, {1, w.value.count()}), 0) : std::vector<double>(size, otherwise);
}

double mean(const auto& x) { return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size()); }

// 1 / √(mean x² + ε); for a layer norm, after subtracting the mean.
double norm_factor(const NormSpec& norm, const std::vector<double>& x) {
    const double middle = norm.kind == NormKind::layer ? mean(x) : 0;
    double squares = 0;
    for (const double v : x) squares += (v - middle) * (v - middle);
    return 1 / std::sqrt(squares / static_cast<double>(x.size()) + double{norm.eps});
}

// What hooks see of each part must be what is added to the stream.
void require_sum_of_parts(const Model& model) {
    for (size_t l = 0; l < model.spec.layers.size(); ++l) {
        const LayerSpec& layer = model.spec.layers[l];
        const MoeSpec* m = layer.moe();
        if (layer.post_norms || (m && (m->output_scale != 1 || m->adjugate.group > 0)))
            fail("{}: layer {} norms or scales its experts' sum, so a logit cannot be split among them", model.source,
                 l);
    }
    if (model.spec.logit_softcap > 0) fail("{}: capped logits cannot be split among parts", model.source);
}

}  // namespace

double Attribution::sum() const {
    return std::accumulate(parts.begin(), parts.end(), constant,
                           [](double total, const PartShare& p) { return total + p.value; });
}

void ContributionRecorder::contributes(const moe::Contribution& c) {
    if (c.part == moe::Part::embedding) parts_.clear();
    if (c.part != moe::Part::experts) return keep(c, c.y.rows() - 1, -1, 1);
    const size_t k = c.ids_Tk.size() / c.batch.tokens.size();
    for (size_t i = c.ids_Tk.size() - k; i < c.ids_Tk.size(); ++i) {
        if (c.row_of_Tk[i] >= 0) keep(c, c.row_of_Tk[i], c.ids_Tk[i], c.weights_Tk.empty() ? 1 : c.weights_Tk[i]);
    }
}

void ContributionRecorder::keep(const moe::Contribution& c, int64_t row, int expert, float weight) {
    Kept& part = parts_.emplace_back(Kept{c.part, c.layer, expert, weight, {}});
    part.x_D.resize(static_cast<size_t>(c.y.cols()));
    dequantise_row(c.y.dtype, c.y.row(row), part.x_D.data(), c.y.cols());
    const float scale = weight * (c.part == moe::Part::embedding ? 1 : spec_.residual_scale);
    for (float& x : part.x_D) x *= scale;
}

Attribution attribute(const Model& model, const ContributionRecorder& recorder, std::span<const float> logits_V,
                      int32_t token, int32_t against) {
    const ModelSpec& spec = model.spec;
    const ModelWeights& w = model.weights;
    require_sum_of_parts(model);
    const auto dim = static_cast<size_t>(spec.dim);
    std::vector<double> x_D(dim);
    for (const auto& part : recorder.parts())
        for (size_t d = 0; d < dim; ++d) x_D[d] += double{part.x_D[d]};

    const std::vector<double> head_a = row_of(w.head.value, token), head_b = row_of(w.head.value, against);
    const std::vector<double> norm_weight = vector_of(w.final_norm.weight, dim, 1),
                              norm_bias = vector_of(w.final_norm.bias, dim, 0);
    const double factor = norm_factor(spec.norm, x_D), divisor = double{spec.logit_divisor};
    std::vector<double> direction(dim);
    Attribution result{
        .token = token,
        .against = against,
        .difference = double{logits_V[static_cast<size_t>(token)]} - double{logits_V[static_cast<size_t>(against)]},
        .constant = 0,
        .parts = {}};
    for (size_t d = 0; d < dim; ++d) {
        const double difference = (head_a[d] - head_b[d]) / divisor;
        direction[d] = factor * norm_weight[d] * difference;
        result.constant += norm_bias[d] * difference;
    }
    if (w.head_bias) {
        const std::vector<double> bias = vector_of(w.head_bias, 0, 0);
        result.constant += bias[static_cast<size_t>(token)] - bias[static_cast<size_t>(against)];
    }
    for (const auto& part : recorder.parts()) {
        const double middle = spec.norm.kind == NormKind::layer ? mean(part.x_D) : 0;
        double value = 0;
        for (size_t d = 0; d < dim; ++d) value += (double{part.x_D[d]} - middle) * direction[d];
        result.parts.push_back({part.part, part.layer, part.expert, part.weight, value});
    }
    return result;
}

double Attribution::total(moe::Part part) const {
    double sum = 0;
    for (const PartShare& p : parts) sum += p.part == part ? p.value : 0;
    return sum;
}

std::vector<PartShare> Attribution::strongest_experts(size_t most) const {
    std::vector<PartShare> experts;
    std::ranges::copy_if(parts, std::back_inserter(experts), [](const PartShare& p) { return p.expert >= 0; });
    std::ranges::stable_sort(experts, std::greater(), [](const PartShare& p) { return std::abs(p.value); });
    experts.resize(std::min(experts.size(), most));
    return experts;
}

std::string_view name_of(moe::Part part) { return part_names[static_cast<size_t>(part)]; }

std::vector<moe::Part> parts_of(std::span<const Attribution> tokens) {
    std::vector<moe::Part> parts;
    for (size_t p = 0; p < part_names.size(); ++p) {
        const auto part = static_cast<moe::Part>(p);
        if (std::ranges::any_of(tokens, [&](const Attribution& a) { return a.total(part) != 0; }))
            parts.push_back(part);
    }
    return parts;
}

int32_t runner_up(std::span<const float> logits_V, int32_t token) {
    if (logits_V.size() < 2) fail("a vocabulary of {} tokens has no runner-up", logits_V.size());
    int32_t best = token == 0 ? 1 : 0;
    for (size_t v = 0; v < logits_V.size(); ++v)
        if (static_cast<int32_t>(v) != token && logits_V[v] > logits_V[static_cast<size_t>(best)])
            best = static_cast<int32_t>(v);
    return best;
}

}  // namespace gremium::hooks
