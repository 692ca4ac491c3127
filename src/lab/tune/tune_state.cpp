#include "lab/tune/tune_state.h"

#include <charconv>
#include <cstring>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "formats/safetensors/safetensors.h"

namespace gremium::lab {
namespace {

constexpr const char* format_name = "gremium-tune-1";
constexpr std::chrono::minutes between_saves(10);

}  // namespace

TuneState::TuneState(std::filesystem::path path, bool resume, nlohmann::ordered_json what,
                     std::vector<Trainable*> trainables)
    : path_(std::move(path)), what_(std::move(what)), trainables_(std::move(trainables)) {
    std::error_code ignored;
    if (path_.empty() || !std::filesystem::exists(path_, ignored)) return;
    if (!resume)
        fail("{}: is a tuning that was stopped; --resume goes on with it, without the file a new one begins",
             path_.string());
    load();
}

void TuneState::load() {
    const SafetensorsFile file = open_safetensors(path_);
    const auto metadata = [&](const char* key) {
        const auto found = file.metadata.find(key);
        return found == file.metadata.end() ? std::string() : found->second;
    };
    if (metadata("format") != format_name) fail("{}: is no state of the format {}", path_.string(), format_name);
    const nlohmann::ordered_json was = parse_ordered_json(metadata("what"), path_.string());
    for (const auto& [key, value] : what_.items())
        if (!was.contains(key) || was.at(key) != value)
            fail("{}: {} is not what the tuning was started with", path_.string(), key);
    const std::string steps = metadata("step");
    const auto [end, error] = std::from_chars(steps.data(), steps.data() + steps.size(), begin_);
    if (error != std::errc() || end != steps.data() + steps.size() || begin_ < 0)
        fail("{}: its step is '{}', a number expected", path_.string(), steps);
    for (Trainable* trainable : trainables_) {
        for (const auto& [name, tensor] : trainable->state()) {
            const TensorView saved = file.tensors.require(name, tensor.shape);
            if (saved.dtype != tensor.dtype)
                fail("{}: {} is {}, {} expected", path_.string(), name, info(saved.dtype).name,
                     info(tensor.dtype).name);
            std::memcpy(tensor.data, saved.data, static_cast<size_t>(tensor.bytes()));
        }
        trainable->follow();
    }
}

void TuneState::keep(int64_t step, bool last) {
    const auto now = std::chrono::steady_clock::now();
    if (!last && now - saved_ < between_saves) return;
    saved_ = now;
    try {
        save(step);
    } catch (const Error&) {  // a full disk may have room again; the result is still to come
    }
}

void TuneState::save(int64_t step) const {
    if (path_.empty()) return;
    std::vector<TensorDecl> declared;
    std::map<std::string, Tensor, std::less<>> tensors;
    for (const Trainable* trainable : trainables_)
        for (const auto& [name, tensor] : trainable->state()) {
            declared.push_back({name, tensor.dtype, tensor.shape});
            tensors.emplace(name, tensor);
        }
    SafetensorsWriter writer(path_, declared,
                             {{"format", format_name}, {"what", to_text(what_)}, {"step", std::to_string(step)}});
    for (const TensorDecl& tensor : writer.tensors()) writer.write(tensor.name, tensors.at(tensor.name));
    writer.finish();
}

}  // namespace gremium::lab
