#include "train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <string_view>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "formats/safetensors/safetensors.h"
#include "model/archs/layout.h"
#include "model/files/save.h"

namespace gremium::train {
namespace {

namespace fs = std::filesystem;
using Buffer = Parameters::Buffer;

constexpr std::string_view prefix = "ckpt-";
constexpr std::string_view unfinished = ".unfinished-";  // being written, or being removed

std::vector<Checkpoint> list(const fs::path& output) {
    std::vector<Checkpoint> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(output, error)) {
        const std::string name = entry.path().filename().string();
        if (name.rfind(prefix, 0) != 0) continue;
        int64_t step = 0;
        const char* end = name.data() + name.size();
        const auto [rest, bad] = std::from_chars(name.data() + prefix.size(), end, step);
        if (bad == std::errc{} && rest == end) found.push_back({entry.path(), step});
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
    return found;
}

void clean(const fs::path& output) {
    std::error_code error;
    std::vector<fs::path> left_over;
    for (const auto& entry : fs::directory_iterator(output, error)) {
        if (entry.path().filename().string().rfind(unfinished, 0) == 0) left_over.push_back(entry.path());
    }
    for (const fs::path& path : left_over) fs::remove_all(path, error);
}

// Removing takes a while, so rename first: a crash then leaves no checkpoint with missing files.
void remove_checkpoint(const Checkpoint& checkpoint) {
    std::error_code error;
    const fs::path aside = checkpoint.path.parent_path() / (std::string(unfinished) + "old");
    fs::remove_all(aside, error);
    fs::rename(checkpoint.path, aside, error);
    if (!error) fs::remove_all(aside, error);
}

std::string moment_name(Buffer buffer, const Parameters::Entry& entry) {
    return (buffer == Buffer::momentum ? "momentum." : "variance.") + entry.slot.name;
}

void write_optimiser(const fs::path& path, const Parameters& parameters) {
    std::vector<TensorDecl> declarations;
    std::map<std::string, Tensor, std::less<>> tensors;
    for (const Parameters::Entry& entry : parameters.entries()) {
        for (const Buffer buffer : {Buffer::momentum, Buffer::variance}) {
            const Tensor tensor = parameters.tensor(buffer, entry);
            if (!tensor) continue;
            declarations.push_back({moment_name(buffer, entry), tensor.dtype, tensor.shape});
            tensors[declarations.back().name] = tensor;
        }
    }
    SafetensorsWriter writer(path, std::move(declarations));
    for (const TensorDecl& declaration : writer.tensors()) writer.write(declaration.name, tensors[declaration.name]);
    writer.finish();
}

void copy_into(Tensor to, const TensorIndex& from, const std::string& name) {
    const TensorView tensor = from.require(name, to.shape);
    if (tensor.dtype != to.dtype) {
        fail("{}: {} is {}, {} expected", from.source(), name, info(tensor.dtype).name, info(to.dtype).name);
    }
    std::memcpy(to.data, tensor.data, static_cast<size_t>(to.bytes()));
}

void read_weights(const fs::path& directory, const Parameters& parameters) {
    const HfModel files = open_hf(directory);
    std::map<std::string, Tensor> weights;
    for (const Parameters::Entry& entry : parameters.entries())
        weights[entry.slot.name] = parameters.tensor(Buffer::weight, entry);
    const ModelSpec& spec = parameters.spec();
    for (const archs::FileTensor& tensor : archs::hf_tensors(architecture_of(spec), spec)) {
        for (const auto& [slot, layout, begin] : tensor.pieces) {
            const Tensor weight = weights.at(slot.name);
            if (tensor.plain()) {
                const Tensor whole = slot.expert < 0 ? weight : weight.at(slot.expert);
                copy_into(reshape(whole, tensor.shape), files.tensors, tensor.name);
                continue;
            }
            const TensorView shared = files.tensors.require(tensor.name, tensor.shape);
            if (shared.dtype != weight.dtype)
                fail("{}: {} is {}, {} expected", files.tensors.source(), tensor.name, info(shared.dtype).name,
                     info(weight.dtype).name);
            archs::gather(weight.data, archs::matrices_of(slot), shared.data, tensor.matrices(), layout, weight.dtype,
                          begin, layer_of(spec, slot));
        }
    }
}

void read_optimiser(const fs::path& path, const Parameters& parameters) {
    const SafetensorsFile file = open_safetensors(path);
    for (const Parameters::Entry& entry : parameters.entries()) {
        for (const Buffer buffer : {Buffer::momentum, Buffer::variance}) {
            const Tensor tensor = parameters.tensor(buffer, entry);
            if (tensor) copy_into(tensor, file.tensors, moment_name(buffer, entry));
        }
    }
}

}  // namespace

std::optional<Checkpoint> newest_checkpoint(const fs::path& output) {
    clean(output);
    const std::vector<Checkpoint> found = list(output);
    return found.empty() ? std::nullopt : std::optional(found.back());
}

Checkpoint write_checkpoint(const fs::path& output, int64_t step, FullModel& model, const nlohmann::json& state,
                            int64_t keep) {
    Checkpoint checkpoint{output / fmt::format("{}{:06}", prefix, step), step};
    const fs::path temporary = output / (std::string(unfinished) + checkpoint.path.filename().string());
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    try {
        save_model(model.master(), temporary, {.container = Container::hugging_face, .dtype = DType::f32});
        write_optimiser(temporary / "optimizer.safetensors", model.parameters());
        write_file_atomically(temporary / "state.json", to_text(state, 1) + '\n');
        commit_directory(temporary, checkpoint.path);
    } catch (...) {
        fs::remove_all(temporary, ignored);
        throw;
    }
    std::vector<Checkpoint> all = list(output);
    for (size_t i = 0; i + static_cast<size_t>(keep) < all.size(); ++i) remove_checkpoint(all[i]);
    return checkpoint;
}

nlohmann::json read_state(const Checkpoint& checkpoint) { return read_json(checkpoint.path / "state.json"); }

void restore(const Checkpoint& checkpoint, FullModel& model) {
    read_weights(checkpoint.path, model.parameters());
    read_optimiser(checkpoint.path / "optimizer.safetensors", model.parameters());
    model.parameters().refresh_shadows();
}

}  // namespace gremium::train
