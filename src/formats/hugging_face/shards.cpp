// Models of several safetensors files and the index that says which tensor is where.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "formats/hugging_face/hf.h"
#include "formats/in_quotes.h"
#include "formats/safetensors/safetensors.h"

namespace gremium {
namespace {

constexpr size_t max_index_bytes = size_t{32} << 20;  // three times that of a model of 91,000 tensors
constexpr const char* single_file = "model.safetensors";
constexpr const char* index_file = "model.safetensors.index.json";

// {shard: its tensors}, from an index that came with the model.
std::map<std::string, std::vector<std::string>> read_weight_map(const std::filesystem::path& path) {
    const nlohmann::json index = read_json(path, max_index_bytes);
    const auto weight_map = index.is_object() ? index.find("weight_map") : index.end();
    if (!index.is_object() || weight_map == index.end() || !weight_map->is_object() || weight_map->empty())
        fail("{}: expected an object weight_map with at least one tensor", path.string());
    std::map<std::string, std::vector<std::string>> shards;
    for (const auto& [tensor, file] : weight_map->items()) {
        if (!file.is_string()) fail("{}: weight_map: {}: expected a string", path.string(), in_quotes(tensor));
        const auto& name = file.get_ref<const std::string&>();
        // The index names files beside it, and nothing elsewhere on this machine.
        if (name != std::filesystem::path(name).filename() || !name.ends_with(".safetensors"))
            fail("{}: weight_map: {}: expected the name of a .safetensors file beside the index, found {}",
                 path.string(), in_quotes(tensor), in_quotes(name));
        shards[name].push_back(tensor);
    }
    return shards;
}

}  // namespace

SafetensorsFile open_safetensors_index(const std::filesystem::path& index_json) {
    SafetensorsFile model{{}, TensorIndex(index_json.string())};
    for (const auto& [name, tensors] : read_weight_map(index_json)) {
        SafetensorsFile shard = open_safetensors(index_json.parent_path() / name);
        for (const std::string& tensor : tensors) {
            if (!shard.tensors.contains(tensor) && !shard.tensors.find_opaque(tensor))
                fail("{}: tensor {} is missing, which {} expects here", shard.tensors.source(), in_quotes(tensor),
                     index_json.filename().string());
        }
        model.metadata.merge(shard.metadata);
        model.tensors.merge(std::move(shard.tensors));
    }
    return model;
}

ShardedSafetensorsWriter::ShardedSafetensorsWriter(std::filesystem::path directory, std::vector<TensorDecl> tensors,
                                                   ShardOptions options)
    : TensorWriter(directory.string()), directory_(std::move(directory)), options_(std::move(options)) {
    const auto limit = static_cast<size_t>(std::max<int64_t>(options_.max_bytes, 1));
    // Tensors stay in the order given, so that a layer's are likely to share a file.
    std::vector<std::vector<TensorDecl>> shards(1);
    size_t shard_bytes = 0;
    for (TensorDecl& tensor : tensors) {
        const size_t bytes = checked_bytes(tensor, source_);
        if (!shards.back().empty() && shard_bytes + bytes > limit) {
            shards.emplace_back();
            shard_bytes = 0;
        }
        shard_bytes += bytes;
        total_bytes_ += bytes;
        shards.back().push_back(std::move(tensor));
    }
    for (std::vector<TensorDecl>& shard : shards) {
        std::ranges::move(canonical_order(std::move(shard)), std::back_inserter(tensors_));
        shard_ends_.push_back(tensors_.size());
    }
    std::set<std::string_view> names;
    for (const TensorDecl& tensor : tensors_) {
        if (!names.insert(tensor.name).second) fail("{}: tensor {} is declared twice", source_, in_quotes(tensor.name));
    }
    open_shard();
}

std::string ShardedSafetensorsWriter::file_name(size_t shard) const {
    if (shard_ends_.size() == 1) return single_file;
    return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shard_ends_.size());
}

void ShardedSafetensorsWriter::open_shard() {
    const auto begin = tensors_.begin() + static_cast<std::ptrdiff_t>(done_);
    const auto end = tensors_.begin() + static_cast<std::ptrdiff_t>(shard_ends_[shard_]);
    writer_ =
        std::make_unique<SafetensorsWriter>(directory_ / file_name(shard_), std::vector(begin, end), options_.metadata);
}

void ShardedSafetensorsWriter::put(std::span<const std::byte> bytes) { writer_->write(current().name, bytes); }

void ShardedSafetensorsWriter::end_tensor() {
    if (++done_ < shard_ends_[shard_]) return;
    writer_->finish();
    if (++shard_ < shard_ends_.size()) open_shard();
}

void ShardedSafetensorsWriter::commit() {
    if (tensors_.empty()) writer_->finish();
    const bool sharded = shard_ends_.size() > 1;
    if (sharded) {
        nlohmann::json index = {{"metadata", {{"total_size", total_bytes_}}}, {"weight_map", nlohmann::json::object()}};
        for (size_t i = 0, shard = 0; i < tensors_.size(); ++i) {
            if (i == shard_ends_[shard]) ++shard;
            index["weight_map"][tensors_[i].name] = file_name(shard);
        }
        write_file_atomically(directory_ / index_file, index.dump(2) + "\n");
    }
    const std::filesystem::path other = directory_ / (sharded ? single_file : index_file);
    std::error_code error;
    std::filesystem::remove(other, error);
    if (error) fail("{}: cannot remove what the new weights replace: {}", other.string(), error.message());
}

}  // namespace gremium
