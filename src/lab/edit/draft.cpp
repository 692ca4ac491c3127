#include "lab/edit/draft.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "base/error.h"
#include "model/files/bind.h"
#include "model/files/save.h"
#include "model/named_weights.h"
#include "model/spec/tensors.h"
#include "model/spec/validate.h"
#include "tensor/quantised/blocks.h"

namespace gremium::lab {
namespace {

using moe::ExpertWeights;
using ops::Weight;

std::vector<float> floats_of(const Weight& w) { return w ? to_floats(w.value) : std::vector<float>(); }

double bits(DType dtype) { return 8.0 * info(dtype).bytes / info(dtype).block; }

template <typename Values>
void reorder(Values& values, const std::vector<int>& order) {
    if (values.empty()) return;
    Values kept;
    for (const int e : order) kept.push_back(values[static_cast<size_t>(e)]);
    values = std::move(kept);
}

}  // namespace

void DraftLayer::keep(const std::vector<int>& order) {
    for (const int e : order)
        if (e < 0 || e >= count()) fail("layer {}: there is no expert {} of {}", layer, e, count());
    reorder(router_ED, order);
    reorder(router_bias, order);
    reorder(correction, order);
    reorder(experts, order);
    spec.router.experts = count();
}

Draft::Draft(std::shared_ptr<const Model> base) : base_(std::move(base)), storage_(std::make_shared<Storage>()) {
    storage_->base = base_;
    if (base_->encoder) fail("{} has an encoder; only decoders' experts can be edited", base_->source);
    if (!base_->experts) fail("{} has no experts", base_->source);
    require_no_factors(*base_);
    for (size_t l = 0; l < base_->spec.layers.size(); ++l) {
        const MoeSpec* moe = base_->spec.layers[l].moe();
        if (!moe) continue;
        const MoeWeights& weights = base_->weights.layers[l].moe();
        DraftLayer layer{.layer = static_cast<int>(l),
                         .spec = *moe,
                         .router_ED = {},
                         .router_bias = floats_of(weights.router_bias),
                         .correction = floats_of(weights.correction),
                         .experts = {}};
        const std::vector<float> router = floats_of(weights.router);
        const auto dim = static_cast<std::ptrdiff_t>(base_->spec.dim);
        for (int e = 0; e < moe->router.experts; ++e) {
            layer.router_ED.emplace_back(router.begin() + e * dim, router.begin() + (e + 1) * dim);
            layer.experts.push_back(base_->experts->peek({static_cast<int>(l), e}));
        }
        layers_.push_back(std::move(layer));
    }
}

DraftLayer& Draft::layer(int layer) {
    const auto found = std::ranges::find(layers_, layer, &DraftLayer::layer);
    if (found == layers_.end()) fail("layer {} of {} has no experts", layer, base_->source);
    return *found;
}

Tensor Draft::memory(DType dtype, Shape shape) { return storage_->tensors.emplace_back(dtype, shape).get(); }

Weight Draft::weight(const std::vector<float>& values, DType dtype, Shape shape) {
    if (std::ssize(values) != shape.count()) fail("{} numbers for {}", values.size(), to_string(shape));
    const Tensor tensor = memory(dtype, shape);
    convert(as_tensor(values.data(), shape), tensor);
    return {tensor, {}};
}

std::shared_ptr<const Model> Draft::model() const {
    ModelSpec spec = base_->spec;
    std::map<std::string, TensorView> values = weights_by_name(*base_);
    std::map<std::pair<int, TensorRole>, TensorView> routers;  // by layer
    const auto own = std::make_shared<Storage>(Storage{base_, {}, {storage_}});
    const auto put = [&](const DraftLayer& layer, TensorRole role, const std::vector<float>& numbers, Shape shape) {
        if (numbers.empty()) return;
        const OwnedTensor& tensor = own->tensors.emplace_back(DType::f32, shape);
        std::ranges::copy(numbers, tensor.get().f32());
        routers[{layer.layer, role}] = tensor;
    };
    for (const DraftLayer& layer : layers_) {
        spec.layers[static_cast<size_t>(layer.layer)].feed_forward = layer.spec;
        std::vector<float> router;
        for (const std::vector<float>& row : layer.router_ED) router.insert(router.end(), row.begin(), row.end());
        put(layer, TensorRole::router, router, {layer.count(), spec.dim});
        put(layer, TensorRole::router_bias, layer.router_bias, {layer.count()});
        put(layer, TensorRole::correction, layer.correction, {layer.count()});
    }
    validate(spec, base_->source);
    const auto find = [&](const TensorSlot& slot) -> Weight {
        if (slot.of_experts()) {
            // The binder asks for experts one by one.
            if (slot.expert < 0) return {};
            const auto layer = std::ranges::find(layers_, slot.layer, &DraftLayer::layer);
            return layer->experts[static_cast<size_t>(slot.expert)].*slot.of_expert;
        }
        if (slot.of_router()) return {routers.at({slot.layer, slot.role}), {}};
        const TensorView value = values.at(slot.name);
        return {value ? reshape(value, slot.shape) : value, {}};
    };
    // Unedited experts keep their source.
    const MappedFiles files = base_->experts ? base_->experts->files() : MappedFiles{};
    const std::shared_ptr<Model> model = bind_model(spec, find, moe::Residency::mapped, files);
    model->tokenizer = base_->tokenizer;
    model->tokenizer_error = base_->tokenizer_error;
    model->source = base_->source + ", edited";
    model->storage = own;
    return model;
}

SaveOptions stored_types(const Model& model, Container container) {
    auto types = std::make_shared<std::map<std::string, DType>>();
    std::map<DType, int64_t> bytes;
    for (const auto& [name, value] : weights_by_name(model)) {
        if (!value) continue;
        types->emplace(name, value.dtype);
        if (value.shape.rank > 1) bytes[value.dtype] += value.bytes();
    }
    for (const TensorSlot& slot : tensor_slots(model.spec))
        for (int e = 0; slot.of_experts() && e < slot.shape[0]; ++e) {
            const TensorView value = weight_of_expert(model, slot, e).value;
            bytes[value.dtype] += value.bytes();
            const auto [type, first] = types->emplace(slot.name, value.dtype);
            if (!first && bits(value.dtype) > bits(type->second)) type->second = value.dtype;
        }
    const auto storable = [container](DType dtype) {
        return container == Container::hugging_face && !is_float(dtype) ? DType::bf16 : dtype;
    };
    const DType main = std::ranges::max_element(bytes, {}, [](const auto& b) { return b.second; })->first;
    return {.container = container,
            .dtype = storable(main),
            .type_of = [types, storable, main](const ModelSpec&, const TensorSlot& slot) {
                const auto type = types->find(slot.name);
                return storable(type == types->end() ? main : type->second);
            }};
}

Target target_of(const std::filesystem::path& model) {
    return model.extension() == ".gguf" ? Target::file : Target::folder;
}

void require_target(const std::filesystem::path& out, const std::filesystem::path& opened, Target target) {
    std::error_code ignored;
    if (std::filesystem::equivalent(out, opened, ignored))
        fail("{}: is the model that is edited; it is never changed", out.string());
    std::filesystem::path folder = std::filesystem::absolute(out).parent_path();
    while (target == Target::folder && folder.has_relative_path() && !std::filesystem::exists(folder, ignored))
        folder = folder.parent_path();
    if (::faccessat(AT_FDCWD, folder.c_str(), W_OK, AT_EACCESS) != 0)
        fail("{}: cannot be written: {}", out.string(), std::strerror(errno));
}

void save_edited(const Model& model, const std::filesystem::path& out, const std::filesystem::path& opened) {
    const Target target = target_of(out);
    require_target(out, opened, target);
    save_model(model, out, stored_types(model, target == Target::file ? Container::gguf : Container::hugging_face));
}

}  // namespace gremium::lab
