#include "versions/hash.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "model/weights.h"

namespace gremium::versions {

std::string model_hash(const Model& model) {
    std::string lines;
    const auto add = [&](const std::string& prefix) {
        return [&lines, prefix](const char* name, const ops::Weight& w) {
            if (!w) return;
            const std::string hash = content_hash({w.value.data, static_cast<size_t>(w.value.bytes())});
            lines += fmt::format("{}{} {} {}\n", prefix, name, info(w.value.dtype).name, hash);
        };
    };
    for_each_global_weight(model.weights, add(""));
    for (size_t l = 0; l < model.weights.layers.size(); ++l)
        for_each_weight(model.weights.layers[l], add(fmt::format("blk.{}.", l)));
    for (int l = 0; model.experts && l < model.experts->layers(); ++l)
        for (int e = 0; e < model.experts->experts(l); ++e)
            lines += fmt::format("expert {}.{} {}\n", l, e, model.experts->hash({l, e}));
    if (model.encoder) lines += "encoder " + model_hash(*model.encoder);
    return content_hash(std::as_bytes(std::span(lines)));
}

}  // namespace gremium::versions
