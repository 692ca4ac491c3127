#include "versions/hash.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/hash.h"
#include "model/named_weights.h"
#include "model/spec/tensors.h"

namespace gremium::versions {

namespace {

// The order in which weights are hashed. Stores on disk contain such hashes, so it must not change. It is not the order
// of files: each part of a layer has router rows first, then matrices, their biases, the rest, and sinks; outside
// layers, relative biases follow the embedding.
std::tuple<int, BlockPart, int> place(const TensorSlot& slot) {
    const auto rank = [&] {
        if (slot.role == TensorRole::embedding) return -1;
        if (slot.layer < 0) return slot.role == TensorRole::relative_bias ? 0 : 1;
        if (slot.of_router()) return 0;
        if (slot.role == TensorRole::shared_gate) return 1;
        if (slot.traits.matrix != Matrix::other) return slot.role == TensorRole::bias ? 3 : 2;
        return slot.role == TensorRole::sink ? 5 : 4;
    };
    return {slot.layer, slot.part, rank()};
}

}  // namespace

std::string model_hash(const Model& model) {
    std::vector<NamedWeight> weights = named_weights(model);
    std::ranges::stable_sort(weights, {}, [](const NamedWeight& w) { return place(w.slot); });
    std::string lines;
    for (const auto& [slot, weight] : weights) {
        const TensorView value = weight.value;
        const std::string hash = content_hash({value.data, static_cast<size_t>(value.bytes())});
        lines += fmt::format("{} {} {}\n", slot.name, info(value.dtype).name, hash);
    }
    for (int l = 0; model.experts && l < model.experts->layers(); ++l)
        for (int e = 0; e < model.experts->experts(l); ++e)
            lines += fmt::format("expert {}.{} {}\n", l, e, model.experts->hash({l, e}));
    if (model.encoder) lines += "encoder " + model_hash(*model.encoder);
    return content_hash(std::as_bytes(std::span(lines)));
}

}  // namespace gremium::versions
