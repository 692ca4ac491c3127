// Conversions between the number types of untrusted metadata: the value is kept or there is none.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

namespace gremium {

template <typename T>
constexpr std::string_view number_name() {
    if constexpr (std::same_as<T, bool>)
        return "bool";
    else if constexpr (std::same_as<T, int32_t>)
        return "i32";
    else if constexpr (std::same_as<T, uint32_t>)
        return "u32";
    else if constexpr (std::same_as<T, int64_t>)
        return "i64";
    else if constexpr (std::same_as<T, uint64_t>)
        return "u64";
    else if constexpr (std::same_as<T, float>)
        return "f32";
    else
        return "f64";
}

// Integers and floats V (not bool). Integers become any number that can hold them; 0 and 1 become bool;
// floats become floats, rounded but not overflowing.
template <typename T, typename V>
std::optional<T> convert_number(V value) {
    if constexpr (std::floating_point<T>) {
        if constexpr (std::floating_point<V> && sizeof(V) > sizeof(T)) {
            if (std::isfinite(value) && std::abs(value) > std::numeric_limits<T>::max()) return std::nullopt;
        }
        return static_cast<T>(value);
    } else if constexpr (std::floating_point<V>) {
        return std::nullopt;
    } else if constexpr (std::same_as<T, bool>) {
        return value == 0 || value == 1 ? std::optional<bool>(value == 1) : std::nullopt;
    } else {
        return std::in_range<T>(value) ? std::optional<T>(static_cast<T>(value)) : std::nullopt;
    }
}

}  // namespace gremium
