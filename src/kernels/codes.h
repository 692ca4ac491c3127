// How the rows of a block-quantised matrix and the rows they are multiplied with look inside the matmul: whole numbers
// of 8 bits in chunks of 256, with factors for parts of 16.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace gremium::kernels {

constexpr int64_t code_chunk = 256, code_part = 16, code_parts = code_chunk / code_part;

// Weights: y[i] = scale[i / 16]·code[i] + min[i / 16]. Exact.
struct Codes {
    alignas(64) uint8_t code[code_chunk];
    alignas(64) float scale[code_parts], min[code_parts];
};

// Activations, rounded: x[i] ≈ scale[i / 16]·q[i], |q| <= 127, one scale for 32 neighbours; sum: that of a part of x.
struct Rounded {
    alignas(64) int8_t q[code_chunk];
    alignas(64) float scale[code_parts], sum[code_parts];
};

constexpr int64_t chunks_of(int64_t n) { return (n + code_chunk - 1) / code_chunk; }

// How a block-quantised type becomes Codes.
struct CodeFormat {
    // The weights [k, k + 256) of a row of n, with codes and factors past its end that count as zero. k is a multiple of
    // 256. Nothing past the row's end is read.
    void (*unpack)(const std::byte* row, int64_t k, int64_t n, Codes& out) = nullptr;
    bool wide = false;         // codes may need the eighth bit
    bool small_parts = false;  // factors differ within 32 neighbours
};

// With null unpack for other types, and where the active variant has no vectors to do it with.
CodeFormat code_format(DType type);

// The weights of a chunk, as f32 or rounded to bf16.
void decode(const Codes& codes, float* out);
void decode_bf16(const Codes& codes, uint16_t* out);

// A row of n f32 or bf16 (n: a multiple of 32), with zeros up to whole chunks. Into rest, where it is not null, goes what
// rounding left, rounded in turn: the two together hold 15 bits.
void round_row(DType type, const std::byte* row, int64_t n, Rounded* out, Rounded* rest);

}  // namespace gremium::kernels
