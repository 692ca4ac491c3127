// What a fuzz target does with a file that was accepted.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "formats/tensor_index.h"

namespace gremium::fuzz {

// Reads every byte that the index offers, and aborts when together they are more than the file had.
inline void touch(const TensorIndex& tensors, size_t file_bytes) {
    volatile uint8_t sink = 0;
    size_t total = 0;
    const auto read = [&](const std::byte* data, size_t bytes) {
        total += bytes;
        for (size_t i = 0; i < bytes; ++i) sink = sink ^ static_cast<uint8_t>(data[i]);
    };
    for (const TensorEntry& entry : tensors) read(entry.view.data, static_cast<size_t>(entry.view.bytes()));
    for (const OpaqueEntry& entry : tensors.opaque()) read(entry.bytes.data(), entry.bytes.size());
    if (total > file_bytes) std::abort();
}

}  // namespace gremium::fuzz
