#include "lab/edit/adapt.h"

#include "base/error.h"
#include "lab/edit/adapter.h"
#include "lab/edit/peft.h"
#include "tensor/quantised/blocks.h"

namespace gremium::lab {
namespace {

std::vector<Adapter::Part> read(const std::filesystem::path& path, const Model& base) {
    std::error_code ignored;
    const bool peft = std::filesystem::is_directory(path, ignored) || (may_be_peft(path) && !is_adapter(path));
    return peft ? read_peft(path, base.spec) : read_adapter(path, base);
}

// The matrix that a part changes.
struct Matrix {
    std::vector<float> values;
    Shape shape;
};
Matrix matrix_of(DraftLayer& layer, const TensorSlot& slot) {
    if (!slot.of_router()) {
        const TensorView value = (layer.experts[static_cast<size_t>(slot.expert)].*slot.of_expert).value;
        return {to_floats(value), value.shape};
    }
    Matrix router{{}, slot.shape};
    for (const std::vector<float>& row : layer.router_ED)
        router.values.insert(router.values.end(), row.begin(), row.end());
    return router;
}
void put(Draft& draft, DraftLayer& layer, const TensorSlot& slot, const Matrix& changed) {
    if (!slot.of_router()) {
        ops::Weight& w = layer.experts[static_cast<size_t>(slot.expert)].*slot.of_expert;
        w = draft.weight(changed.values, w.value.dtype, changed.shape);
        return;
    }
    const auto width = static_cast<std::ptrdiff_t>(changed.shape[1]);
    for (size_t e = 0; e < layer.router_ED.size(); ++e) {
        const auto row = changed.values.begin() + static_cast<std::ptrdiff_t>(e) * width;
        layer.router_ED[e].assign(row, row + width);
    }
}

}  // namespace

void adapt(Draft& draft, const std::filesystem::path& path, float share) {
    const std::string source = path.string();
    std::vector<Adapter::Part> parts = read(path, draft.base());
    std::vector<Matrix> changed;
    for (Adapter::Part& part : parts) {
        const TensorSlot& slot = part.slot;
        DraftLayer& layer = draft.layer(slot.layer);
        if (layer.count() != draft.base().experts->experts(slot.layer))
            fail("{}: layer {} has no longer the experts it was trained for", source, slot.layer);
        Matrix& w = changed.emplace_back(matrix_of(layer, slot));
        LowRank& change = part.change;
        const Shape b = change.b_Nr.get().shape, a = change.a_Kr.get().shape;
        if (b[1] != a[1] || w.shape != Shape{b[0], a[0]})
            fail("{}: {} of layer {} is {}, its factors are {} and [{}, {}]", source,
                 slot.expert < 0 ? "the router" : fmt::format("{} of expert {}", slot.name, slot.expert), slot.layer,
                 to_string(w.shape), to_string(b), a[1], a[0]);
        change.scale *= share;
        change.add_to(as_tensor(w.values.data(), w.shape));
    }
    for (size_t i = 0; i < parts.size(); ++i) put(draft, draft.layer(parts[i].slot.layer), parts[i].slot, changed[i]);
}

}  // namespace gremium::lab
