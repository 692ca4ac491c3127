// A model in Hugging Face layout: a directory with config.json, model.safetensors (or shards and their index)
// and the files of a tokenizer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/safetensors/safetensors.h"
#include "formats/tensor_index.h"

namespace gremium {

// Names one setting goes by in different architectures' configurations, the first that is present counts:
// config.require<int>({"num_local_experts", "num_experts", "n_routed_experts"}).
struct Keys {
    Keys(const char* name) : names{name} {}
    Keys(std::string_view name) : names{name} {}
    Keys(const std::string& name) : names{name} {}
    Keys(std::initializer_list<std::string_view> aliases) : names(aliases) {}
    std::vector<std::string_view> names;
};

// A JSON object with typed getters. `null` counts as absent.
class HfConfig {
  public:
    // Error unless `object` is a JSON object. `source` names the file (and the place in it) in error
    // messages.
    HfConfig(nlohmann::json object, std::string source);

    bool contains(const Keys& keys) const { return value(keys) != nullptr; }
    const nlohmann::json* value(const Keys& keys) const;

    // T: bool, int32_t, uint32_t, int64_t, uint64_t, float, double, std::string, or std::vector of one of
    // these. A value of another type, or out of range, is an Error naming file, key and type.
    template <typename T>
    std::optional<T> find(const Keys& keys) const;  // nullopt when absent
    template <typename T>
    T get(const Keys& keys, T fallback) const {
        std::optional<T> found = find<T>(keys);
        return found ? std::move(*found) : std::move(fallback);
    }
    template <typename T>
    T require(const Keys& keys) const;  // Error when absent

    std::optional<HfConfig> child(const Keys& keys) const;  // a nested object (rope_scaling, text_config …)

    const std::string& source() const { return source_; }
    const nlohmann::json& object() const { return object_; }

  private:
    std::string source_;
    nlohmann::json object_;
};

struct HfModel {
    HfConfig config;  // config.json
    TensorIndex tensors;
    std::optional<HfConfig> generation_config;  // generation_config.json
};

// Error unless the directory has a config.json and safetensors weights.
HfModel open_hf(const std::filesystem::path& directory);

struct HfWriteOptions {
    nlohmann::ordered_json config;
    nlohmann::ordered_json generation_config = nlohmann::ordered_json::object();  // none is written when empty
    ShardOptions shards = {};
};

// Creates the directory when needed and writes config.json and generation_config.json; the weights go through
// the returned writer. (Write to a temporary directory and commit_directory() to make the whole appear at
// once.)
std::unique_ptr<TensorWriter> create_hf(const std::filesystem::path& directory, std::vector<TensorDecl> tensors,
                                        const HfWriteOptions& options);

}  // namespace gremium
