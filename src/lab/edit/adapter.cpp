#include "lab/edit/adapter.h"

#include <charconv>
#include <cmath>
#include <map>

#include "base/error.h"
#include "formats/safetensors/safetensors.h"
#include "model/spec/tensors.h"
#include "model/weights.h"
#include "tensor/quantised/blocks.h"
#include "versions/hash.h"
#include "versions/named_tensors.h"

namespace gremium::lab {
namespace {

constexpr const char* format_name = "gremium-adapter-1";

std::string name_in_file(const TensorSlot& slot, const char* factor) {
    return fmt::format("{}.{}.lora_{}", slot.name, slot.expert, factor);
}

OwnedTensor copy(TensorView x) {
    OwnedTensor y(DType::f32, x.shape);
    convert(x, y);
    return y;
}

OwnedTensor transposed(TensorView x) {
    OwnedTensor y(DType::f32, {x.cols(), x.rows()});
    for (int64_t r = 0; r < x.rows(); ++r)
        for (int64_t c = 0; c < x.cols(); ++c) y.get().f32()[c * x.rows() + r] = x.f32()[r * x.cols() + c];
    return y;
}

std::string metadata_of(const SafetensorsFile& file, const char* key) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::string() : found->second;
}

float scale_of(const SafetensorsFile& file, const std::string& source, const std::string& hash) {
    const auto metadata = [&](const char* key) { return metadata_of(file, key); };
    if (metadata("format") != format_name) fail("{}: is not an adapter of the format {}", source, format_name);
    if (metadata("model_hash") != hash)
        fail("{}: was trained for {} of the hash {}; this model has {}", source, metadata("model"),
             metadata("model_hash"), hash);
    const std::string text = metadata("scale");
    float scale = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), scale);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(scale))
        fail("{}: its scale is '{}', a number expected", source, text);
    return scale;
}

}  // namespace

void save_adapter(const Adapter& adapter, const std::filesystem::path& path) {
    if (adapter.parts.empty()) fail("{}: no low-rank change to write", path.string());
    std::map<std::string, OwnedTensor> tensors;
    std::vector<TensorDecl> declared;
    const auto add = [&](const std::string& name, OwnedTensor tensor) {
        declared.push_back({name, DType::f32, tensor.get().shape});
        tensors.emplace(name, std::move(tensor));
    };
    for (const Adapter::Part& part : adapter.parts) {
        add(name_in_file(part.slot, "a"), transposed(part.change.a_Kr));
        add(name_in_file(part.slot, "b"), copy(part.change.b_Nr));
    }
    SafetensorsWriter writer(path, declared,
                             {{"format", format_name},
                              {"model", adapter.model},
                              {"model_hash", adapter.model_hash},
                              {"scale", fmt::format("{}", adapter.parts.front().change.scale)}});
    for (const TensorDecl& tensor : writer.tensors()) writer.write(tensor.name, tensors.at(tensor.name));
    writer.finish();
}

bool is_adapter(const std::filesystem::path& path) {
    return metadata_of(open_safetensors(path), "format") == format_name;
}

std::vector<Adapter::Part> read_adapter(const std::filesystem::path& path, const Model& base) {
    const SafetensorsFile file = open_safetensors(path);
    const std::string source = path.string();
    const float scale = scale_of(file, source, versions::model_hash(base));
    std::vector<Adapter::Part> parts;
    for (const TensorSlot& slot : versions::single_slots(base.spec)) {
        if (slot.role != TensorRole::expert || slot.of_encoder) continue;
        const TensorView *a = file.tensors.find(name_in_file(slot, "a")),
                         *b = file.tensors.find(name_in_file(slot, "b"));
        if (!a || !b) continue;
        if (a->dtype != DType::f32 || b->dtype != DType::f32 || a->shape.rank != 2 || b->shape.rank != 2)
            fail("{}: the factors of {} of expert {} are no matrices of 32-bit numbers", source, slot.name,
                 slot.expert);
        parts.push_back({slot, {scale, copy(*b), transposed(*a)}});
    }
    if (2 * parts.size() != file.tensors.size())
        fail("{}: of its {} tensors {} belong to experts' matrices", source, file.tensors.size(), 2 * parts.size());
    return parts;
}

}  // namespace gremium::lab
