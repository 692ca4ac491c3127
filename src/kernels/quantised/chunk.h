// How the rows of a block-quantised matrix and the rows they are multiplied with look inside the matmul: whole numbers
// of 8 bits ("quants") in chunks of 256, with factors for parts of 16.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace gremium::kernels {

constexpr int64_t chunk_size = 256, part_size = 16, chunk_parts = chunk_size / part_size;

// Weights: y[i] = scale[i / 16]·quant[i] + min[i / 16]. Exact.
struct QuantisedChunk {
    alignas(64) uint8_t quant[chunk_size];
    alignas(64) float scale[chunk_parts], min[chunk_parts];
};

// Activations, rounded: x[i] ≈ scale[i / 16]·q[i], one scale for 32 neighbours; total: the sum of a part's whole
// numbers.
struct Rounded {
    alignas(64) int8_t q[chunk_size];
    alignas(64) float scale[chunk_parts];
    alignas(64) int32_t total[chunk_parts];
};
// The same with 16 bits: x[i] ≈ scale[i / 16]·(256·q[i] + low[i]).
struct FineRounded : Rounded {
    alignas(64) int8_t low[chunk_size];
};

constexpr int64_t chunks_of(int64_t n) { return (n + chunk_size - 1) / chunk_size; }

// How a block-quantised type becomes chunks.
struct QuantisedFormat {
    // The weights [k, k + 256) of a row of n, with quants and factors past its end that count as zero. k is a multiple
    // of
    // 256. Nothing past the row's end is read.
    void (*unpack)(const std::byte* row, int64_t k, int64_t n, QuantisedChunk& out) = nullptr;
    // So many chunks from k on, or those up to the row's end, with quants in the order that arrange_rounded() gives
    // activations, and without mins. Null: products unpack such weights as they multiply.
    static constexpr int64_t arranged_at_once = 8;
    void (*unpack_arranged)(const std::byte* row, int64_t k, int64_t n, QuantisedChunk* out) = nullptr;
    // Quants may need the eighth bit.
    bool wide = false;
    // Factors differ within 32 neighbours.
    bool small_parts = false;
    // min = −zero·scale in all parts; 0: mins of their own.
    int zero = 0;
};

// Bytes of a row of n, rounded.
constexpr int64_t rounded_bytes(int64_t n, bool fine) {
    return chunks_of(n) * static_cast<int64_t>(fine ? sizeof(FineRounded) : sizeof(Rounded));
}

}  // namespace gremium::kernels
