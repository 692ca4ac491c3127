// Constants that GGUF's reader and writer share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "formats/metadata.h"

namespace gremium::gguf {

constexpr std::string_view magic = "GGUF";
constexpr uint32_t version = 3;
constexpr size_t max_tensor_name = 63;  // of a file that ggml can load

// "Q4_K (12)", also for types this library cannot read.
std::string type_label(uint32_t ggml_type);
// "F32, F16, …": what it can read.
std::string supported_types();

// general.alignment, or 32. Error when it is not a power of two from 8 to 2^20.
size_t alignment(const Metadata& metadata);

constexpr size_t align_up(size_t n, size_t alignment) { return (n + alignment - 1) / alignment * alignment; }

}  // namespace gremium::gguf
