#include "model/files/bind.h"

#include <algorithm>

#include "base/error.h"
#include "moe/store/stores.h"

namespace gremium {

namespace {

using ops::Weight;
using Find = std::function<Weight(const TensorSlot&)>;
using Experts = std::vector<std::vector<moe::ExpertWeights>>;  // by layer

Weight checked(Weight weight, const TensorSlot& slot) {
    if (!weight) fail("tensor {} is missing", slot.name);
    if (weight.value.shape != slot.shape)
        fail("tensor {} has shape {}, expected {}", slot.name, to_string(weight.value.shape), to_string(slot.shape));
    return weight;
}

Weight part(const Weight& whole, int expert) {
    TensorView scale = whole.scale;
    if (scale.count() > 1) scale = {scale.row(0) + row_bytes(scale.dtype, expert), scale.dtype, {1}};
    return {whole.value.at(expert), whole.grad ? whole.grad.at(expert) : Tensor{}, scale};
}

void bind_stack(const TensorSlot& slot, const Find& find, std::vector<moe::ExpertWeights>& experts) {
    experts.resize(static_cast<size_t>(slot.shape[0]));
    const Weight whole = find(slot);
    if (whole) checked(whole, slot);
    for (int e = 0; e < slot.shape[0]; ++e) {
        const TensorSlot single = part_of(slot, e);
        experts[static_cast<size_t>(e)].*slot.of_expert = whole ? part(whole, e) : checked(find(single), single);
    }
}

// A vector as the one-row matrix that a linear layer multiplies with.
Weight as_row(Weight w) {
    w.value = reshape(w.value, {1, w.value.count()});
    if (w.grad) w.grad = reshape(w.grad, {1, w.grad.count()});
    return w;
}

}  // namespace

std::shared_ptr<Model> bind_model(const ModelSpec& spec, const Find& find, moe::Residency residency,
                                  MappedFiles files) {
    auto model = std::make_shared<Model>();
    model->spec = spec;
    Experts experts(spec.layers.size());
    for (const auto& [slot, weight, tied] : list_tensors(spec, model->weights)) {
        if (tied) continue;
        if (weight)
            *weight = checked(find(slot), slot);
        else
            bind_stack(slot, find, experts[static_cast<size_t>(slot.layer)]);
        if (slot.role == TensorRole::shared_gate) *weight = as_row(*weight);
    }
    if (spec.tied_head) model->weights.head = model->weights.embedding;
    if (std::ranges::any_of(spec.layers, [](const LayerSpec& layer) { return layer.moe(); }))
        model->experts = moe::make_expert_store(std::move(experts), residency, files);
    if (spec.encoder) {
        model->encoder = bind_model(
            *spec.encoder, [&](const TensorSlot& slot) { return find(in_encoder(slot)); }, residency, files);
    }
    return model;
}

}  // namespace gremium
