// The differences between two versions.
#pragma once

#include <string>
#include <vector>

#include "versions/versions.h"

namespace gremium::versions {

// Relative change ‖b − a‖ / ‖a‖ over all dequantised numbers of a piece; infinite if a is zero and b is not.
struct ExpertDifference {
    moe::ExpertId id;
    double weights = 0;
    double row = 0;        // of the router's row
    double bias = 0;       // b − a, summed over router bias and correction bias
    bool retyped = false;  // the bytes differ, even if the numbers do not
};
// A layer with another number or width of experts. Experts that remain are recognised by their weights, whatever their
// new index.
struct LayerDifference {
    int layer = 0;
    LayerState before, after;
    std::vector<int> gone, added;  // experts only in a, experts only in b
};
struct TensorDifference {
    std::string name;
    double change = 0;
};
struct VersionDifference {
    std::vector<LayerDifference> layers;    // layers whose size changed; their experts are not compared one by one
    std::vector<ExpertDifference> experts;  // experts of the other layers that differ
    std::vector<TensorDifference> tensors;
};
VersionDifference difference(const VersionStore& store, const std::string& a, const std::string& b);

}  // namespace gremium::versions
