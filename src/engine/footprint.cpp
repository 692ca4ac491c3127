#include "engine/footprint.h"

#include "model/named_weights.h"
#include "model/spec/tensors.h"

namespace gremium::engine {

Footprint footprint(const Model& model) {
    const TensorView embedding = model.weights.embedding.value;
    Footprint sum{embedding.bytes(), embedding.row_bytes()};
    for (const NamedWeight& w : named_weights(model)) {
        if (w.slot.role == TensorRole::embedding) continue;
        sum.total += w.weight.value.bytes();
        sum.per_token += w.weight.value.bytes();
    }
    // A tied head was counted already.
    if (model.weights.head.value.data == embedding.data) sum.total -= embedding.bytes();
    for (size_t l = 0; l < model.spec.layers.size(); ++l) {
        const MoeSpec* moe = model.spec.layers[l].moe();
        if (!moe) continue;
        int64_t experts = 0;
        for (int e = 0; e < moe->router.experts; ++e)
            experts += moe::bytes_of(model.experts->peek({static_cast<int>(l), e}));
        sum.total += experts;
        sum.per_token += experts / moe->router.experts * moe->router.top_k;
    }
    // The encoder's weights are read once per source, not per token.
    if (model.encoder) {
        const TensorView shared = model.encoder->weights.embedding.value;
        sum.total += footprint(*model.encoder).total - shared.bytes();
    }
    return sum;
}

}  // namespace gremium::engine
