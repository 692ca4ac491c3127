#include "versions/named_tensors.h"

#include "base/error.h"
#include "model/named_weights.h"

namespace gremium::versions {

NamedTensors::NamedTensors(const Model& model) : model_(model), values_(weights_by_name(model)) {}

TensorView NamedTensors::operator()(const TensorSlot& slot) const {
    if (!slot.of_experts()) {
        const TensorView value = values_.at(slot.name);
        return value ? reshape(value, slot.shape) : value;
    }
    if (slot.expert < 0) return {};
    return weight_of_expert(model_, slot, slot.expert).value;
}

std::vector<TensorSlot> single_slots(const ModelSpec& spec) {
    std::vector<TensorSlot> slots;
    for (const TensorSlot& slot : tensor_slots(spec)) {
        if (!slot.of_experts()) {
            slots.push_back(slot);
            continue;
        }
        for (int e = 0; e < slot.shape[0]; ++e) slots.push_back(part_of(slot, e));
    }
    return slots;
}

std::string name_of(const TensorSlot& slot) {
    return slot.expert < 0 ? slot.name : fmt::format("{} of expert {}", slot.name, slot.expert);
}

}  // namespace gremium::versions
