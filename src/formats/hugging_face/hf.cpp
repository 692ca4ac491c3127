#include "formats/hugging_face/hf.h"

#include <cmath>
#include <type_traits>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "formats/convert_number.h"
#include "formats/in_quotes.h"

namespace gremium {
namespace {

using nlohmann::json;

template <typename T>
struct Wanted {
    static std::optional<T> from(const json& value) {
        if constexpr (std::is_same_v<T, std::string>)
            return value.is_string() ? std::optional(value.get<T>()) : std::nullopt;
        else if constexpr (std::is_same_v<T, bool>)
            return value.is_boolean() ? std::optional(value.get<T>()) : std::nullopt;
        else if (value.is_number_unsigned())
            return convert_number<T>(value.get<uint64_t>());
        else if (value.is_number_integer())
            return convert_number<T>(value.get<int64_t>());
        else if (value.is_number_float())
            return convert_number<T>(value.get<double>());
        else
            return std::nullopt;
    }
    static std::string name() {
        if constexpr (std::is_same_v<T, std::string>)
            return "string";
        else
            return std::string(number_name<T>());
    }
};

template <typename T>
struct Wanted<std::vector<T>> {
    static std::optional<std::vector<T>> from(const json& value) {
        if (!value.is_array()) return std::nullopt;
        std::vector<T> out;
        out.reserve(value.size());
        for (const json& element : value) {
            std::optional<T> converted = Wanted<T>::from(element);
            if (!converted) return std::nullopt;
            out.push_back(std::move(*converted));
        }
        return out;
    }
    static std::string name() { return "array of " + Wanted<T>::name(); }
};

// "num_experts" or "num_experts or n_routed_experts".
std::string label(const Keys& keys) { return fmt::format("{}", fmt::join(keys.names, " or ")); }

std::string described(const json& value) {
    if (value.is_structured()) return fmt::format("an {} of {}", value.type_name(), value.size());
    if (value.is_number_float()) return fmt::format("{}", value.get<double>());  // dump() has no word for infinity
    return value.is_string() ? in_quotes(value.get_ref<const std::string&>()) : value.dump();
}

// A link to nothing is what a download cache holds of a file that did not arrive.
std::filesystem::path if_present(const std::filesystem::path& file) {
    std::error_code error;
    if (std::filesystem::is_symlink(file, error) && !std::filesystem::exists(file, error))
        fail("{}: is a link to {}, which is not there", file.string(), std::filesystem::read_symlink(file).string());
    return std::filesystem::is_regular_file(file, error) ? file : std::filesystem::path();
}

HfConfig read_config(const std::filesystem::path& file) { return {read_json(file), file.string()}; }

SafetensorsFile open_weights(const std::filesystem::path& directory) {
    const auto single = if_present(directory / "model.safetensors");
    if (!single.empty()) return open_safetensors(single);
    const auto index = if_present(directory / "model.safetensors.index.json");
    if (!index.empty()) return open_safetensors_index(index);
    fail("{}: expected model.safetensors or model.safetensors.index.json in it", directory.string());
}

}  // namespace

HfConfig::HfConfig(json object, std::string source) : source_(std::move(source)), object_(std::move(object)) {
    if (!object_.is_object()) fail("{}: expected a JSON object", source_);
}

json::const_iterator HfConfig::find_first(const Keys& keys) const {
    for (const std::string_view name : keys.names) {
        const auto found = object_.find(name);
        if (found != object_.end() && !found->is_null()) return found;
    }
    return object_.end();
}

const json* HfConfig::value(const Keys& keys) const {
    const auto found = find_first(keys);
    if (found == object_.end()) return nullptr;
    for (const std::string_view name : keys.names) {
        const auto same = object_.find(name);
        if (same == found || (same != object_.end() && *same == *found)) (*marks_)[path_ + std::string(name)] = true;
    }
    return &*found;
}

template <typename T>
std::optional<T> HfConfig::find(const Keys& keys) const {
    const json* found = value(keys);
    if (!found) return std::nullopt;
    std::optional<T> result = Wanted<T>::from(*found);
    if (!result) fail("{}: {}: found {}, expected {}", source_, label(keys), described(*found), Wanted<T>::name());
    if constexpr (std::is_floating_point_v<T>)
        if (!std::isfinite(*result)) fail("{}: {} is {}, expected a number", source_, label(keys), *result);
    return result;
}

template <typename T>
T HfConfig::require(const Keys& keys) const {
    std::optional<T> found = find<T>(keys);
    if (!found) fail("{}: {} is missing, expected {}", source_, label(keys), Wanted<T>::name());
    return std::move(*found);
}

std::optional<HfConfig> HfConfig::child(const Keys& keys) const {
    const auto found = find_first(keys);
    if (found == object_.end()) return std::nullopt;
    HfConfig child(*found, fmt::format("{}: {}", source_, label(keys)));
    child.path_ = path_ + found.key();
    marks_->try_emplace(child.path_, false);
    child.path_ += '.';
    child.marks_ = marks_;
    return child;
}

std::vector<HfConfig::Unread> HfConfig::unread() const {
    std::vector<Unread> result;
    collect_unread(object_, path_, result);
    return result;
}

void HfConfig::collect_unread(const json& object, const std::string& path, std::vector<Unread>& result) const {
    for (const auto& [name, value] : object.items()) {
        const auto mark = marks_->find(path + name);
        if (value.is_null() || (mark != marks_->end() && mark->second)) continue;
        if (mark == marks_->end())
            result.push_back({path + name, value});
        else
            collect_unread(value, path + name + '.', result);
    }
}

#define GREMIUM_CONFIG_TYPE(T)                                                \
    template std::optional<T> HfConfig::find(const Keys&) const;              \
    template std::optional<std::vector<T>> HfConfig::find(const Keys&) const; \
    template T HfConfig::require(const Keys&) const;                          \
    template std::vector<T> HfConfig::require(const Keys&) const;
GREMIUM_CONFIG_TYPE(bool)
GREMIUM_CONFIG_TYPE(int32_t)
GREMIUM_CONFIG_TYPE(uint32_t)
GREMIUM_CONFIG_TYPE(int64_t)
GREMIUM_CONFIG_TYPE(uint64_t)
GREMIUM_CONFIG_TYPE(float)
GREMIUM_CONFIG_TYPE(double)
GREMIUM_CONFIG_TYPE(std::string)
#undef GREMIUM_CONFIG_TYPE

std::filesystem::path hf_directory(const std::filesystem::path& path) {
    std::error_code error;
    const std::filesystem::path main = path / "refs" / "main";
    if (std::filesystem::exists(path / "config.json", error) || !std::filesystem::is_regular_file(main, error))
        return path;
    std::string revision = read_text_file(main);
    while (revision.ends_with('\n')) revision.pop_back();
    const std::filesystem::path snapshot = path / "snapshots" / revision;
    if (revision.find('/') != std::string::npos || !std::filesystem::is_directory(snapshot, error))
        fail("{}: names a snapshot that is not there", main.string());
    return snapshot;
}

HfModel open_hf(const std::filesystem::path& directory) {
    HfConfig config = read_config(directory / "config.json");
    SafetensorsFile weights = open_weights(directory);
    std::optional<HfConfig> generation;
    const auto generation_file = if_present(directory / "generation_config.json");
    if (!generation_file.empty()) generation = read_config(generation_file);
    return {std::move(config), std::move(weights.tensors), std::move(generation)};
}

std::unique_ptr<TensorWriter> create_hf(const std::filesystem::path& directory, std::vector<TensorDecl> tensors,
                                        const HfWriteOptions& options) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) fail("{}: cannot create: {}", directory.string(), error.message());
    auto writer = std::make_unique<ShardedSafetensorsWriter>(directory, std::move(tensors), options.shards);
    write_file_atomically(directory / "config.json", options.config.dump(2) + "\n");
    if (!options.generation_config.empty())
        write_file_atomically(directory / "generation_config.json", options.generation_config.dump(2) + "\n");
    return writer;
}

}  // namespace gremium
