// Files and errors for the tests of this room.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "formats/tensor_index.h"
#include "formats/tensor_writer.h"
#include "tests/temporary_directory.h"

namespace gremium::test {

inline std::string read_bytes(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

// Bytes in memory of exactly their size, so that AddressSanitizer sees a read beyond the end.
inline std::vector<std::byte> exact(std::string_view bytes) {
    std::vector<std::byte> out(bytes.size());
    if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string text_of(const TensorView& view) {
    return {reinterpret_cast<const char*>(view.data), static_cast<size_t>(view.bytes())};
}

// The line of the Error that the action throws; fails the test when it throws none.
template <typename Action>
std::string error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
        return error.what();
    }
    ADD_FAILURE() << "no Error was thrown";
    return {};
}

// A little-endian byte string, field by field.
class Bytes {
  public:
    template <typename T>
    Bytes& add(T value) {
        text_.append(reinterpret_cast<const char*>(&value), sizeof(T));
        return *this;
    }
    Bytes& raw(std::string_view text) {
        text_ += text;
        return *this;
    }
    Bytes& string(std::string_view text) { return add(uint64_t{text.size()}).raw(text); }
    Bytes& align(size_t alignment) {
        text_.resize((text_.size() + alignment - 1) / alignment * alignment);
        return *this;
    }
    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

// Reads every byte of every tensor.
inline unsigned sum_of(const TensorIndex& tensors) {
    unsigned sum = 0;
    for (const TensorEntry& entry : tensors) {
        for (int64_t i = 0; i < entry.view.bytes(); ++i) sum += std::to_integer<unsigned>(entry.view.data[i]);
    }
    for (const OpaqueEntry& entry : tensors.opaque()) {
        for (const std::byte byte : entry.bytes) sum += std::to_integer<unsigned>(byte);
    }
    return sum;
}

inline void copy_tensors(const TensorIndex& from, TensorWriter& to) {
    for (const TensorDecl& tensor : to.tensors()) to.write(tensor.name, from.require(tensor.name));
    to.finish();
}

// How parsing each single-bit corruption of `file` ended; anything but a value or an Error ends the test program.
struct Outcomes {
    size_t valid = 0, errors = 0;
};
template <typename Parse>
Outcomes flip_every_bit(const std::string& file, size_t end, Parse&& parse) {
    Outcomes outcomes;
    for (size_t bit = 0; bit < end * 8; ++bit) {
        std::vector<std::byte> damaged = exact(file);
        damaged[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
        try {
            sum_of(parse(damaged).tensors);
            ++outcomes.valid;
        } catch (const Error& error) {
            EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
            ++outcomes.errors;
        }
    }
    return outcomes;
}

}  // namespace gremium::test
