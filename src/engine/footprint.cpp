#include "engine/footprint.h"

#include "model/weights.h"

namespace gremium::engine {

int64_t expert_bytes(const Model& model, moe::ExpertId id) {
    const moe::ExpertWeights& w = model.experts->peek(id);
    int64_t bytes = 0;
    for (const auto tensor : moe::expert_tensors)
        if (w.*tensor) bytes += (w.*tensor).value.bytes();
    return bytes;
}

Footprint footprint(const Model& model) {
    const TensorView embedding = model.weights.embedding.value;
    Footprint sum{embedding.bytes(), embedding.row_bytes()};
    const auto read_whole = [&](std::string_view, const ops::Weight& w) {
        if (!w) return;
        sum.total += w.value.bytes();
        sum.per_token += w.value.bytes();
    };
    read_whole("", model.weights.final_norm.weight);
    read_whole("", model.weights.final_norm.bias);
    read_whole("", model.weights.head);
    read_whole("", model.weights.head_bias);
    if (model.weights.head.value.data == embedding.data) sum.total -= embedding.bytes();  // tied: counted already
    for (const LayerWeights& layer : model.weights.layers) for_each_weight(layer, read_whole);
    for (size_t l = 0; l < model.spec.layers.size(); ++l) {
        const MoeSpec* moe = model.spec.layers[l].moe();
        if (!moe) continue;
        int64_t experts = 0;
        for (int e = 0; e < moe->router.experts; ++e) experts += expert_bytes(model, {static_cast<int>(l), e});
        sum.total += experts;
        sum.per_token += experts / moe->router.experts * moe->router.top_k;
    }
    if (model.encoder) {  // read once for a source, not for every token
        const TensorView shared = model.encoder->weights.embedding.value;
        sum.total += footprint(*model.encoder).total - shared.bytes();
    }
    return sum;
}

}  // namespace gremium::engine
