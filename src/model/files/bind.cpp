#include <algorithm>
#include <map>

#include "base/error.h"
#include "model/weights.h"

namespace gremium {

namespace {

using ops::Weight;
using Find = std::function<Weight(const TensorSlot&)>;

// Gives the weights of a spec by name; a tensor that the spec does not have is an empty weight.
class Binder {
  public:
    Binder(const ModelSpec& spec, const Find& find) : find_(find) {
        for (TensorSlot& slot : tensor_slots(spec)) slots_.emplace(slot.name, std::move(slot));
    }

    Weight operator()(const std::string& name) const {
        const auto slot = slots_.find(name);
        return slot == slots_.end() ? Weight{} : found(slot->second);
    }

    // Empty for a stack that the spec does not have.
    std::vector<Weight> stack(const std::string& name) const {
        const auto found_slot = slots_.find(name);
        if (found_slot == slots_.end()) return {};
        const TensorSlot& slot = found_slot->second;
        const Weight whole = find_(slot);
        std::vector<Weight> parts;
        for (int e = 0; e < slot.shape[0]; ++e)
            parts.push_back(whole ? part(checked(whole, slot), e) : found(part_of(slot, e)));
        return parts;
    }

  private:
    static Weight part(const Weight& whole, int expert) {
        return {whole.value.at(expert), whole.grad ? whole.grad.at(expert) : Tensor{}};
    }
    static Weight checked(Weight weight, const TensorSlot& slot) {
        if (!weight) fail("tensor {} is missing", slot.name);
        if (weight.value.shape != slot.shape)
            fail("tensor {} has shape {}, expected {}", slot.name, to_string(weight.value.shape),
                 to_string(slot.shape));
        return weight;
    }
    Weight found(const TensorSlot& slot) const { return checked(find_(slot), slot); }

    const Find& find_;
    std::map<std::string, TensorSlot> slots_;
};

// A vector as the one-row matrix that a linear layer multiplies with.
Weight as_row(Weight w) {
    if (w) w.value = reshape(w.value, {1, w.value.count()});
    if (w.grad) w.grad = reshape(w.grad, {1, w.grad.count()});
    return w;
}

std::vector<moe::ExpertWeights> bind_experts(const Binder& get, const std::string& prefix, int count) {
    std::vector<moe::ExpertWeights> experts(static_cast<size_t>(count));
    for (const ExpertTensor& stack : expert_stacks) {
        const std::vector<Weight> parts = get.stack(prefix + stack.name);
        for (size_t e = 0; e < parts.size(); ++e) experts[e].*stack.weight = parts[e];
    }
    return experts;
}

}  // namespace

std::shared_ptr<Model> bind_model(const ModelSpec& spec, const Find& find, moe::Residency residency) {
    const Binder get(spec, find);
    auto model = std::make_shared<Model>();
    model->spec = spec;
    for_each_global_weight(model->weights, [&](const char* name, Weight& w) { w = get(name); });
    if (spec.tied_head) model->weights.head = model->weights.embedding;

    std::vector<std::vector<moe::ExpertWeights>> experts(spec.layers.size());
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const std::string prefix = "blk." + std::to_string(l) + ".";
        LayerWeights& layer = model->weights.layers.emplace_back();
        for_each_weight(layer, [&](const char* name, Weight& w) { w = get(prefix + name); });
        layer.moe.shared_gate = as_row(layer.moe.shared_gate);
        if (const MoeSpec* m = spec.layers[l].moe()) experts[l] = bind_experts(get, prefix, m->router.experts);
    }
    if (std::ranges::any_of(spec.layers, [](const LayerSpec& layer) { return layer.moe(); }))
        model->experts = moe::make_expert_store(std::move(experts), residency);
    for (const ModelSpec& encoder : spec.encoder) {
        model->encoder = bind_model(
            encoder, [&](const TensorSlot& slot) { return find(in_encoder(slot)); }, residency);
    }
    return model;
}

}  // namespace gremium
