#include "model/named_weights.h"

#include <utility>

namespace gremium {

std::vector<NamedWeight> named_weights(const Model& model) {
    ModelWeights weights = model.weights;  // views
    std::vector<NamedWeight> named;
    for (TensorList::Row& row : list_tensors(model.spec, weights))
        if (row.weight) named.push_back({std::move(row.slot), *row.weight});
    return named;
}

std::map<std::string, TensorView> weights_by_name(const Model& model) {
    std::map<std::string, TensorView> values;
    for (const NamedWeight& w : named_weights(model)) values[w.slot.name] = w.weight.value;
    if (!model.encoder) return values;
    for (const NamedWeight& w : named_weights(*model.encoder)) values[in_encoder(w.slot).name] = w.weight.value;
    return values;
}

const Model& stack_of(const Model& model, const TensorSlot& slot) { return slot.of_encoder ? *model.encoder : model; }

const ops::Weight& weight_of_expert(const Model& model, const TensorSlot& slot, int expert) {
    return stack_of(model, slot).experts->peek({slot.layer, expert}).*slot.of_expert;
}

}  // namespace gremium
