#include "model/spec/difference.h"

#include <fmt/format.h>

namespace gremium {

std::string first_difference(const ModelSpec& a, const ModelSpec& b) {
    if (a == b) return "";
    if (a.norm != b.norm) return "its norms";
    if (a.head_bias != b.head_bias) return "its head";
    if (a.layers.size() != b.layers.size()) return "its number of layers";
    for (size_t l = 0; l < a.layers.size(); ++l) {
        const auto name = [&](const auto& kind) { return fmt::format("the {} of layer {}", kind.kind_name, l); };
        if (a.layers[l].mixer != b.layers[l].mixer) return std::visit(name, a.layers[l].mixer);
        if (a.layers[l].feed_forward != b.layers[l].feed_forward) return fmt::format("the feed-forward of layer {}", l);
        if (a.layers[l] != b.layers[l]) return fmt::format("how layer {} joins its parts", l);
    }
    return "its sizes";
}

}  // namespace gremium
