// GGUF key/value metadata. Ordered, and every value keeps its exact type, so that a file read and written
// back is identical; the typed getters are lenient about integer width, because writers are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gremium {

// In both variants the index of the alternative is GGUF's value type id. Index 9 of an array (an array of
// arrays) stays unused: GGUF readers know no nested arrays, and neither does this one.
using MetaArray = std::variant<std::vector<uint8_t>, std::vector<int8_t>, std::vector<uint16_t>, std::vector<int16_t>,
                               std::vector<uint32_t>, std::vector<int32_t>, std::vector<float>, std::vector<bool>,
                               std::vector<std::string>, std::monostate, std::vector<uint64_t>, std::vector<int64_t>,
                               std::vector<double>>;
using MetaValue = std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool, std::string,
                               MetaArray, uint64_t, int64_t, double>;

// "u32", "array of 12 string", …: the type of a value as error messages show it.
std::string type_name(const MetaValue& value);

class Metadata {
  public:
    struct Entry {
        std::string key;
        MetaValue value;
    };

    // `source` names the file in error messages.
    explicit Metadata(std::string source = "metadata") : source_(std::move(source)) {}

    // Appends the key, or replaces its value in place. The type written is the type given: uint32_t{8},
    // 1e-5f, …
    void set(std::string_view key, MetaValue value);
    void erase(std::string_view key);

    // Looking at a key in any way marks it as read, so that keys which nobody understood can be named.
    bool contains(std::string_view key) const { return value(key) != nullptr; }
    const MetaValue* value(std::string_view key) const;  // nullptr when absent; valid until the next set or erase
    // The entries whose keys begin so and that nobody looked at.
    std::vector<Entry> unread(std::string_view beginning) const;

    // T: bool, int32_t, uint32_t, int64_t, uint64_t, float, double, std::string, or std::vector of one of
    // these. Any integer type converts to any other that can hold the value, and to bool (0 or 1), float and
    // double; float and double convert to each other. A value of another type, or out of range, is an Error
    // naming file, key and type; so is a scalar that is infinite or not a number.
    template <typename T>
    std::optional<T> find(std::string_view key) const;  // nullopt when absent
    template <typename T>
    T get(std::string_view key, T fallback) const {
        std::optional<T> found = find<T>(key);
        return found ? std::move(*found) : std::move(fallback);
    }
    template <typename T>
    T require(std::string_view key) const;  // Error when absent

    // A hyper-parameter that may differ by layer: an array of at least `layers` entries (the rest is
    // dropped), or one scalar for all. nullopt when absent.
    template <typename T>
    std::optional<std::vector<T>> find_per_layer(std::string_view key, size_t layers) const;

    const std::string& source() const { return source_; }
    size_t size() const { return entries_.size(); }
    auto begin() const { return entries_.begin(); }
    auto end() const { return entries_.end(); }

  private:
    struct Position {
        size_t index;
        mutable bool read = false;
    };
    std::string source_;
    std::vector<Entry> entries_;
    std::map<std::string, Position, std::less<>> positions_;
};

}  // namespace gremium
