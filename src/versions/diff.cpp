#include "versions/diff.h"

#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "tensor/quantised/blocks.h"

namespace gremium::versions {
namespace {

// Sums of squares: of the change, and of the original values.
struct Squares {
    double change = 0, before = 0;

    double relative() const {
        if (change == 0) return 0;
        return before > 0 ? std::sqrt(change / before) : std::numeric_limits<double>::infinity();
    }
};

void add(Squares& squares, const std::string& name, TensorView a, TensorView b) {
    if (!a && !b) return;
    if (!a || !b || a.shape != b.shape) fail("{}: the two versions have different shapes", name);
    const std::vector<float> before = to_floats(a), after = to_floats(b);
    for (size_t i = 0; i < before.size(); ++i) {
        const double change = double{after[i]} - before[i];
        squares.change += change * change;
        squares.before += double{before[i]} * before[i];
    }
}

double relative_change(const Piece& a, const Piece& b) {
    Squares squares;
    for (const auto& [name, value] : a.parts) add(squares, name, value, b[name]);
    return squares.relative();
}

double bias_of(const Piece& row) {
    double sum = 0;
    for (const char* part : {"bias", "correction"})
        if (const TensorView value = row[part]) sum += double{to_floats(value)[0]};
    return sum;
}

bool same_sizes(const LayerState& a, const LayerState& b) {
    return a.experts == b.experts && a.used == b.used && a.width == b.width;
}

LayerDifference compare_layers(int layer, const VersionState& a, const VersionState& b) {
    LayerDifference d{layer, a.layers.at(layer), b.layers.at(layer), {}, {}};
    const auto missing = [&](const VersionState& from, const VersionState& in) {
        std::multiset<std::string> there;
        for (int e = 0; e < in.layers.at(layer).experts; ++e) there.insert(in.experts.at({layer, e}).weights);
        std::vector<int> all;
        for (int e = 0; e < from.layers.at(layer).experts; ++e) {
            const auto found = there.find(from.experts.at({layer, e}).weights);
            if (found == there.end())
                all.push_back(e);
            else
                there.erase(found);
        }
        return all;
    };
    d.gone = missing(a, b);
    d.added = missing(b, a);
    return d;
}

ExpertDifference compare_experts(const Pieces& pieces, moe::ExpertId id, const ExpertState& a, const ExpertState& b) {
    ExpertDifference d{.id = id};
    if (a.weights != b.weights) {
        d.weights = relative_change(pieces(a.weights), pieces(b.weights));
        d.retyped = true;
    }
    if (a.row != b.row) {
        const Piece before = pieces(a.row), after = pieces(b.row);
        Squares squares;
        add(squares, "router row", before["row"], after["row"]);
        d.row = squares.relative();
        d.bias = bias_of(after) - bias_of(before);
    }
    return d;
}

}  // namespace

VersionDifference difference(const VersionStore& store, const std::string& a, const std::string& b) {
    const Pieces pieces(store);
    const VersionState before = store.state(a), after = store.state(b);
    VersionDifference d;
    for (const auto& [l, layer] : before.layers)
        if (!same_sizes(layer, after.layers.at(l))) d.layers.push_back(compare_layers(l, before, after));
    for (const auto& [id, expert] : before.experts) {
        if (!same_sizes(before.layers.at(id.layer), after.layers.at(id.layer))) continue;
        const ExpertState& other = after.experts.at(id);
        if (other != expert) d.experts.push_back(compare_experts(pieces, id, expert, other));
    }
    for (const auto& [name, hash] : before.tensors)
        if (const std::string& other = after.tensors.at(name); other != hash)
            d.tensors.push_back({name, relative_change(pieces(hash), pieces(other))});
    return d;
}

}  // namespace gremium::versions
