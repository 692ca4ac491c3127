// A model in Hugging Face layout: a directory with config.json, model.safetensors (or shards and their index)
// and the files of a tokenizer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
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

    // Looking at a key in any way marks it as read, so that keys which nobody understood can be named: of aliases the
    // one whose value counts and those that say the same.
    bool contains(const Keys& keys) const { return value(keys) != nullptr; }
    const nlohmann::json* value(const Keys& keys) const;
    bool says(std::string_view key) const { return object_.contains(key); }  // also null

    // What nobody looked at: "key", or "object.key" within an object whose child was asked for.
    struct Unread {
        std::string key;
        nlohmann::json value;
    };
    std::vector<Unread> unread() const;

    // T: bool, int32_t, uint32_t, int64_t, uint64_t, float, double, std::string, or std::vector of one of these. A
    // value of another type, or out of range, is an Error naming file, key and type; so is an infinite number or
    // none.
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
    // What was looked at, with the path to it: true for all of it, false for an object whose child was made.
    using Marks = std::map<std::string, bool, std::less<>>;
    nlohmann::json::const_iterator find_first(const Keys& keys) const;
    void collect_unread(const nlohmann::json& object, const std::string& path, std::vector<Unread>& result) const;

    std::string source_, path_;
    nlohmann::json object_;
    std::shared_ptr<Marks> marks_ = std::make_shared<Marks>();  // a child's are its parent's
};

struct HfModel {
    HfConfig config;  // config.json
    TensorIndex tensors;
    std::optional<HfConfig> generation_config;  // generation_config.json
};

// The directory itself; of a download cache's folder of one model, its snapshot that was fetched last.
std::filesystem::path hf_directory(const std::filesystem::path& path);

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
