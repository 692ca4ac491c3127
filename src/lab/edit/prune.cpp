// The edits prune and merge.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/error.h"
#include "lab/edit/edits.h"
#include "tensor/quantised/blocks.h"

namespace gremium::lab {
namespace {

using moe::ExpertWeights;

// The experts that stay, ascending, if the `gone` least salient ones are removed, the same number from each group.
std::vector<int> survivors(const DraftLayer& layer, const std::vector<double>& saliency, int gone) {
    const int groups = layer.spec.router.groups, size = layer.count() / groups;
    if (gone % groups != 0)
        fail("layer {} has {} groups of {} experts: {} cannot be removed evenly", layer.layer, groups, size, gone);
    std::vector<int> order(static_cast<size_t>(layer.count()));
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::less(), [&](int e) { return saliency[static_cast<size_t>(e)]; });
    std::vector<int> left(static_cast<size_t>(groups), gone / groups), stay;
    for (const int e : order)
        if (left[static_cast<size_t>(e / size)]-- <= 0) stay.push_back(e);
    std::ranges::sort(stay);
    return stay;
}

// The most experts that can be removed from a layer.
int spare(const DraftLayer& layer) {
    const moe::RouterPolicy& policy = layer.spec.router;
    const int in_used_groups = (policy.top_k + policy.groups_used - 1) / policy.groups_used;
    return layer.count() - std::max(in_used_groups, 1) * policy.groups;
}

int uniform_number(const DraftLayer& layer, double share) {
    const int groups = layer.spec.router.groups;
    const int gone = static_cast<int>(std::lround(share * layer.count() / groups)) * groups;
    if (gone > spare(layer))
        fail("layer {} has {} experts, of which a token uses {}: {} cannot be removed", layer.layer, layer.count(),
             layer.spec.router.top_k, gone);
    return gone;
}

void check_share(double share) {
    if (!(share > 0 && share < 1)) fail("a share of {} of the experts, expected between 0 and 1", share);
}

// Makes saliencies of different layers comparable: each expert's share of its layer's sum.
std::vector<int> numbers_across(std::vector<DraftLayer>& layers, const SaliencyTable& saliency, double share) {
    struct Candidate {
        size_t row;
        double part;
    };
    std::vector<Candidate> all;
    for (size_t row = 0; row < layers.size(); ++row) {
        const std::vector<double>& own = saliency[static_cast<size_t>(layers[row].layer)];
        const double sum = std::accumulate(own.begin(), own.end(), 1e-30);
        for (const double s : own) all.push_back({row, s / sum * static_cast<double>(own.size())});
        if (layers[row].spec.router.groups > 1)
            fail("layer {} has groups of experts: they can only be pruned evenly", layers[row].layer);
    }
    std::ranges::stable_sort(all, std::less(), &Candidate::part);
    auto left = std::lround(share * static_cast<double>(all.size()));
    std::vector<int> gone(layers.size());
    for (const Candidate& c : all) {
        if (left == 0) break;
        if (gone[c.row] == spare(layers[c.row])) continue;
        ++gone[c.row];
        --left;
    }
    return gone;
}

// One expert's matrices in f32, [F, D] with down transposed, so that a row is a hidden unit, and its biases.
struct Units {
    int64_t hidden, dim;
    std::vector<float> gate, up, down, gate_bias, up_bias, down_bias;

    explicit Units(const ExpertWeights& w) : hidden(w.up.value.rows()), dim(w.up.value.cols()) {
        const auto numbers = [](const ops::Weight& x) { return x ? to_floats(x.value) : std::vector<float>(); };
        gate = numbers(w.gate);
        up = numbers(w.up);
        gate_bias = numbers(w.gate_bias);
        up_bias = numbers(w.up_bias);
        down_bias = numbers(w.down_bias);
        down = transposed(numbers(w.down), dim, hidden);
    }
    static std::vector<float> transposed(const std::vector<float>& in, int64_t rows, int64_t cols) {
        std::vector<float> out(in.size());
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t c = 0; c < cols; ++c)
                out[static_cast<size_t>(c * rows + r)] = in[static_cast<size_t>(r * cols + c)];
        return out;
    }
    double agreement(int64_t unit, const Units& other, int64_t its) const {
        double sum = 0;
        for (const auto matrix : {&Units::gate, &Units::up, &Units::down}) {
            if ((this->*matrix).empty()) continue;
            const float *a = (this->*matrix).data() + unit * dim, *b = (other.*matrix).data() + its * dim;
            for (int64_t i = 0; i < dim; ++i) sum += double{a[i]} * b[i];
        }
        return sum;
    }
    // Permutes the hidden units: unit i becomes the former unit order[i].
    void permute(const std::vector<int64_t>& order) {
        for (const auto matrix : {&Units::gate, &Units::up, &Units::down, &Units::gate_bias, &Units::up_bias}) {
            std::vector<float>& values = this->*matrix;
            if (values.empty()) continue;
            const size_t width = values.size() / static_cast<size_t>(hidden);
            std::vector<float> moved(values.size());
            for (size_t i = 0; i < order.size(); ++i)
                std::copy_n(values.data() + static_cast<size_t>(order[i]) * width, width, moved.data() + i * width);
            values = std::move(moved);
        }
    }
    void add(const Units& other, float weight) {
        for (const auto matrix :
             {&Units::gate, &Units::up, &Units::down, &Units::gate_bias, &Units::up_bias, &Units::down_bias})
            for (size_t i = 0; i < (this->*matrix).size(); ++i) (this->*matrix)[i] += weight * (other.*matrix)[i];
    }
    void scale(float factor) {
        for (const auto matrix :
             {&Units::gate, &Units::up, &Units::down, &Units::gate_bias, &Units::up_bias, &Units::down_bias})
            for (float& x : this->*matrix) x *= factor;
    }
};

// order[i]: the unit of `other` that matches unit i of `to`; pairs with the largest dot product are matched first.
std::vector<int64_t> aligned(const Units& to, const Units& other) {
    struct Pair {
        double agreement;
        int64_t unit, its;
    };
    std::vector<Pair> pairs;
    for (int64_t i = 0; i < to.hidden; ++i)
        for (int64_t j = 0; j < to.hidden; ++j) pairs.push_back({to.agreement(i, other, j), i, j});
    std::ranges::stable_sort(pairs, std::greater(), &Pair::agreement);
    std::vector<int64_t> order(static_cast<size_t>(to.hidden), -1);
    std::vector<bool> taken(static_cast<size_t>(to.hidden));
    for (const Pair& p : pairs) {
        if (order[static_cast<size_t>(p.unit)] >= 0 || taken[static_cast<size_t>(p.its)]) continue;
        order[static_cast<size_t>(p.unit)] = p.its;
        taken[static_cast<size_t>(p.its)] = true;
    }
    return order;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
    double ab = 0, aa = 1e-30, bb = 1e-30;
    for (size_t i = 0; i < a.size(); ++i) {
        ab += double{a[i]} * b[i];
        aa += double{a[i]} * a[i];
        bb += double{b[i]} * b[i];
    }
    return ab / std::sqrt(aa * bb);
}

ExpertWeights merged(Draft& draft, const DraftLayer& layer, int into, const std::vector<int>& others,
                     const std::vector<double>& frequency) {
    const ExpertWeights& old = layer.experts[static_cast<size_t>(into)];
    const auto weight_of = [&](int e) { return static_cast<float>(frequency[static_cast<size_t>(e)] + 1); };
    Units sum(old);
    const Units target = sum;
    float total = weight_of(into);
    sum.scale(total);
    for (const int e : others) {
        Units other(layer.experts[static_cast<size_t>(e)]);
        other.permute(aligned(target, other));
        sum.add(other, weight_of(e));
        total += weight_of(e);
    }
    sum.scale(1 / total);
    const auto stored = [&](const std::vector<float>& values, const ops::Weight& like) {
        return values.empty() ? ops::Weight{} : draft.weight(values, like.value.dtype, like.value.shape);
    };
    return {.gate = stored(sum.gate, old.gate),
            .up = stored(sum.up, old.up),
            .down = stored(Units::transposed(sum.down, sum.hidden, sum.dim), old.down),
            .gate_bias = stored(sum.gate_bias, old.gate_bias),
            .up_bias = stored(sum.up_bias, old.up_bias),
            .down_bias = stored(sum.down_bias, old.down_bias)};
}

}  // namespace

void prune(Draft& draft, const SaliencyTable& saliency, const Prune& options) {
    check_share(options.share);
    std::vector<DraftLayer>& layers = draft.layers();
    std::vector<int> gone;
    if (options.across)
        gone = numbers_across(layers, saliency, options.share);
    else
        for (const DraftLayer& layer : layers) gone.push_back(uniform_number(layer, options.share));
    for (size_t row = 0; row < layers.size(); ++row)
        layers[row].keep(survivors(layers[row], saliency[static_cast<size_t>(layers[row].layer)], gone[row]));
}

void merge(Draft& draft, const SaliencyTable& saliency, const SaliencyTable& frequency, double share) {
    check_share(share);
    std::vector<int> gone;
    for (const DraftLayer& layer : draft.layers()) gone.push_back(uniform_number(layer, share));
    for (size_t row = 0; row < gone.size(); ++row) {
        DraftLayer& layer = draft.layers()[row];
        const auto l = static_cast<size_t>(layer.layer);
        const std::vector<int> stay = survivors(layer, saliency[l], gone[row]);
        std::vector<std::vector<int>> joins(static_cast<size_t>(layer.count()));
        for (int e = 0; e < layer.count(); ++e) {
            if (std::ranges::binary_search(stay, e)) continue;
            const auto likeness = [&](int s) {
                return cosine(layer.router_ED[static_cast<size_t>(e)], layer.router_ED[static_cast<size_t>(s)]);
            };
            joins[static_cast<size_t>(*std::ranges::max_element(stay, {}, likeness))].push_back(e);
        }
        std::vector<ExpertWeights> experts = layer.experts;
        for (const int s : stay)
            if (const auto& others = joins[static_cast<size_t>(s)]; !others.empty())
                experts[static_cast<size_t>(s)] = merged(draft, layer, s, others, frequency[l]);
        layer.experts = std::move(experts);
        layer.keep(stay);
    }
}

}  // namespace gremium::lab
