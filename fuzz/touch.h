// What a fuzz target does with tensors that were accepted.
#pragma once

#include <cstdint>

#include "formats/tensor_index.h"
#include "fuzz/target.h"

namespace gremium::fuzz {

// Reads every byte that the index offers; together they must not be more than the file had.
inline void touch(const TensorIndex& tensors, size_t file_bytes) {
    volatile uint8_t sink = 0;
    size_t total = 0;
    const auto read = [&](const std::byte* data, size_t bytes) {
        total += bytes;
        for (size_t i = 0; i < bytes; ++i) sink = sink ^ static_cast<uint8_t>(data[i]);
    };
    for (const TensorEntry& entry : tensors) read(entry.view.data, static_cast<size_t>(entry.view.bytes()));
    for (const OpaqueEntry& entry : tensors.opaque()) read(entry.bytes.data(), entry.bytes.size());
    require(total <= file_bytes);
}

}  // namespace gremium::fuzz
