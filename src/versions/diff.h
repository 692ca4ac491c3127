// What is otherwise in one version than in another.
#pragma once

#include <string>
#include <vector>

#include "versions/versions.h"

namespace gremium::versions {

// ‖b − a‖ / ‖a‖ over all numbers of a piece, as they compute; infinite where a is zero and b is not.
struct ExpertDifference {
    moe::ExpertId id;
    double weights = 0;
    double row = 0;        // of the router's row
    double bias = 0;       // b − a of what the router adds to the expert's logit or, to choose, to its score
    bool retyped = false;  // other bytes, be the numbers the same or not
};
// A layer with another number of experts, or others: who stays is told by weights, wherever it stands now.
struct LayerDifference {
    int layer = 0;
    LayerState before, after;
    std::vector<int> gone, added;  // experts of a that b has not, of b that a has not
};
struct TensorDifference {
    std::string name;
    double change = 0;
};
struct VersionDifference {
    std::vector<LayerDifference> layers;    // of other sizes; their experts are not compared one by one
    std::vector<ExpertDifference> experts;  // of the other layers, those that differ
    std::vector<TensorDifference> tensors;
};
VersionDifference difference(const VersionStore& store, const std::string& a, const std::string& b);

}  // namespace gremium::versions
