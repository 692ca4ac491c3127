#include "formats/metadata.h"

#include <array>
#include <cmath>
#include <concepts>
#include <limits>

#include "base/error.h"
#include "formats/convert_number.h"
#include "formats/in_quotes.h"

namespace gremium {
namespace {

constexpr std::array<std::string_view, 13> names{"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                 "bool", "string", "array", "u64", "i64", "f64"};

// Scalars: the conversions metadata.h promises; nullopt for all others.
template <typename T, typename V>
std::optional<T> converted(const V& value) {
    if constexpr (std::same_as<T, V>)
        return value;
    else if constexpr (std::is_arithmetic_v<T> && std::is_arithmetic_v<V> && !std::same_as<V, bool>)
        return convert_number<T>(value);
    else
        return std::nullopt;
}

template <typename T>
struct Target {
    static std::optional<T> from(const MetaValue& value) {
        return std::visit([](const auto& v) { return converted<T>(v); }, value);
    }
    static std::string name() {
        if constexpr (std::same_as<T, std::string>)
            return "string";
        else
            return std::string(number_name<T>());
    }
};

template <typename T>
struct Target<std::vector<T>> {
    static std::optional<std::vector<T>> from(const MetaValue& value) {
        const auto* array = std::get_if<MetaArray>(&value);
        if (!array) return std::nullopt;
        return std::visit([](const auto& elements) { return all_converted(elements); }, *array);
    }
    static std::string name() { return "array of " + Target<T>::name(); }

  private:
    template <typename V>
    static std::optional<std::vector<T>> all_converted(const std::vector<V>& elements) {
        std::vector<T> out;
        out.reserve(elements.size());
        for (const V& element : elements) {
            std::optional<T> converted_element = converted<T>(element);
            if (!converted_element) return std::nullopt;
            out.push_back(std::move(*converted_element));
        }
        return out;
    }
    static std::optional<std::vector<T>> all_converted(std::monostate) { return std::nullopt; }
};

// A scalar's value, too, so that "out of range" can be told from "of the wrong type".
std::string described(const MetaValue& value) {
    return std::visit(
        [&](const auto& v) {
            if constexpr (std::is_arithmetic_v<std::decay_t<decltype(v)>>)
                return fmt::format("{} {}", type_name(value), v);
            else
                return type_name(value);
        },
        value);
}

}  // namespace

std::string type_name(const MetaValue& value) {
    const auto* array = std::get_if<MetaArray>(&value);
    if (!array) return std::string(names[value.index()]);
    const size_t size = std::visit(
        [](const auto& v) -> size_t {
            if constexpr (requires { v.size(); })
                return v.size();
            else
                return 0;
        },
        *array);
    return fmt::format("array of {} {}", size, names[array->index()]);
}

const MetaValue* Metadata::value(std::string_view key) const {
    const auto found = positions_.find(key);
    if (found == positions_.end()) return nullptr;
    found->second.read = true;
    return &entries_[found->second.index].value;
}

std::vector<Metadata::Entry> Metadata::unread(std::string_view beginning) const {
    std::vector<Entry> result;
    for (const Entry& entry : entries_)
        if (entry.key.starts_with(beginning) && !positions_.find(entry.key)->second.read) result.push_back(entry);
    return result;
}

void Metadata::set(std::string_view key, MetaValue value) {
    const auto [position, is_new] = positions_.try_emplace(std::string(key), Position{entries_.size()});
    if (is_new)
        entries_.push_back({position->first, std::move(value)});
    else
        entries_[position->second.index].value = std::move(value);
}

void Metadata::erase(std::string_view key) {
    const auto found = positions_.find(key);
    if (found == positions_.end()) return;
    const size_t gone = found->second.index;
    positions_.erase(found);
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(gone));
    for (auto& [name, position] : positions_) {
        if (position.index > gone) --position.index;
    }
}

template <typename T>
std::optional<T> Metadata::find(std::string_view key) const {
    const MetaValue* found = value(key);
    if (!found) return std::nullopt;
    std::optional<T> result = Target<T>::from(*found);
    if (!result)
        fail("{}: key {}: found {}, expected {}", source_, in_quotes(key), described(*found), Target<T>::name());
    if constexpr (std::floating_point<T>)
        if (!std::isfinite(*result)) fail("{}: key {} is {}, expected a number", source_, in_quotes(key), *result);
    return result;
}

template <typename T>
T Metadata::require(std::string_view key) const {
    std::optional<T> found = find<T>(key);
    if (!found) fail("{}: key {} is missing, expected {}", source_, in_quotes(key), Target<T>::name());
    return std::move(*found);
}

template <typename T>
std::optional<std::vector<T>> Metadata::find_per_layer(std::string_view key, size_t layers) const {
    const MetaValue* found = value(key);
    if (!found) return std::nullopt;
    if (!std::holds_alternative<MetaArray>(*found)) return std::vector<T>(layers, require<T>(key));
    std::vector<T> values = require<std::vector<T>>(key);
    if (values.size() < layers)
        fail("{}: key {}: found {}, expected one value for each of {} layers", source_, in_quotes(key),
             type_name(*found), layers);
    values.resize(layers);
    return values;
}

#define GREMIUM_METADATA_TYPE(T)                                                   \
    template std::optional<T> Metadata::find(std::string_view) const;              \
    template std::optional<std::vector<T>> Metadata::find(std::string_view) const; \
    template T Metadata::require(std::string_view) const;                          \
    template std::vector<T> Metadata::require(std::string_view) const;             \
    template std::optional<std::vector<T>> Metadata::find_per_layer(std::string_view, size_t) const;
GREMIUM_METADATA_TYPE(bool)
GREMIUM_METADATA_TYPE(int32_t)
GREMIUM_METADATA_TYPE(uint32_t)
GREMIUM_METADATA_TYPE(int64_t)
GREMIUM_METADATA_TYPE(uint64_t)
GREMIUM_METADATA_TYPE(float)
GREMIUM_METADATA_TYPE(double)
GREMIUM_METADATA_TYPE(std::string)
#undef GREMIUM_METADATA_TYPE

}  // namespace gremium
