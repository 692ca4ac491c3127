#include "model/named_weights.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"

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

void require_no_factors(const Model& model) {
    const auto require = [&](const std::string& name, const ops::Weight& weight) {
        if (weight.scale)
            fail(
                "{}: {} has a factor beside it, which edits and versions do not keep; 'gremium convert' to another "
                "type",
                model.source, name);
    };
    for (const NamedWeight& w : named_weights(model)) require(w.slot.name, w.weight);
    for (int l = 0; model.experts && l < model.experts->layers(); ++l)
        for (int e = 0; e < model.experts->experts(l); ++e)
            for (const auto member : moe::expert_tensors)
                require(fmt::format("expert {}.{}", l, e), model.experts->peek({l, e}).*member);
}

}  // namespace gremium
