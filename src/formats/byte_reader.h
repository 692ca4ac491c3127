// Reads little-endian fields of untrusted bytes, checking every length against what is left.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace gremium {

static_assert(std::endian::native == std::endian::little, "file formats are read in place");

class ByteReader {
  public:
    ByteReader(std::span<const std::byte> bytes, const std::string& source) : bytes_(bytes), source_(source) {}

    const std::string& source() const { return source_; }
    size_t position() const { return position_; }
    size_t left() const { return bytes_.size() - position_; }

    // `what` names the field in the error.
    std::span<const std::byte> take(uint64_t size, std::string_view what) {
        if (size > left())
            fail("{}: at byte {}: {} needs {} bytes, but {} are left", source_, position_, what, size, left());
        const auto taken = bytes_.subspan(position_, static_cast<size_t>(size));
        position_ += taken.size();
        return taken;
    }

    template <typename T>
    T number(std::string_view what) {
        static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
        T value;
        std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
        return value;
    }

    // A count of things of at least `min_bytes` each: no more than can be left in the file.
    uint64_t count(size_t min_bytes, std::string_view what) {
        const size_t at = position_;
        const auto n = number<uint64_t>(what);
        if (n > left() / min_bytes)
            fail("{}: at byte {}: {} is {}, more than the remaining {} bytes can hold", source_, at, what, n, left());
        return n;
    }

    std::string text(uint64_t size, std::string_view what) {
        const auto taken = take(size, what);
        return {reinterpret_cast<const char*>(taken.data()), taken.size()};
    }
    std::string string(std::string_view what) { return text(number<uint64_t>(what), what); }

  private:
    std::span<const std::byte> bytes_;
    const std::string& source_;
    size_t position_ = 0;
};

}  // namespace gremium
