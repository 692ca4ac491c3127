#include "model/unusable_weight.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/named_weights.h"

namespace gremium {

std::string place_of(const TensorSlot& slot, int matrix, const NotFinite& found) {
    std::string place = "tensor " + slot.name;
    if (slot.of_experts())
        place += fmt::format(", expert {}", matrix);
    else if (slot.shape.rank == 3)
        place += fmt::format(", matrix {}", matrix);
    return fmt::format("{}: row {}, column {} is {}", place, found.row, found.column, found.value);
}

std::optional<std::string> first_unusable_weight(const Model& model) {
    const std::map<std::string, TensorView> values = weights_by_name(model);
    for (const TensorSlot& slot : tensor_slots(model.spec)) {
        const bool experts = slot.of_experts(), stack = experts || slot.shape.rank == 3;
        const int matrices = stack ? static_cast<int>(slot.shape[0]) : 1;
        for (int m = 0; m < matrices; ++m) {
            const TensorView view = experts ? weight_of_expert(model, slot, m).value
                                    : stack ? values.at(slot.name).at(m)
                                            : values.at(slot.name);
            if (const auto found = first_not_finite(view)) return place_of(slot, m, *found);
        }
    }
    return std::nullopt;
}

}  // namespace gremium
