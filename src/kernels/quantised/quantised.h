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

// Activations, rounded: x[i] ≈ scale[i / 16]·q[i], one scale for 32 neighbours; total: the sum of a part's whole numbers.
struct Rounded {
    alignas(64) int8_t q[code_chunk];
    alignas(64) float scale[code_parts];
    alignas(64) int32_t total[code_parts];
};
// The same with 16 bits: x[i] ≈ scale[i / 16]·(256·q[i] + low[i]).
struct FineRounded : Rounded {
    alignas(64) int8_t low[code_chunk];
};

constexpr int64_t chunks_of(int64_t n) { return (n + code_chunk - 1) / code_chunk; }

// How a block-quantised type becomes Codes.
struct CodeFormat {
    // The weights [k, k + 256) of a row of n, with codes and factors past its end that count as zero. k is a multiple of
    // 256. Nothing past the row's end is read.
    void (*unpack)(const std::byte* row, int64_t k, int64_t n, Codes& out) = nullptr;
    bool wide = false;         // codes may need the eighth bit
    bool small_parts = false;  // factors differ within 32 neighbours
    int zero = 0;              // min = −zero·scale in all parts; 0: mins of their own
};

// With null unpack for other types, and where the active variant has no vectors to do it with.
CodeFormat code_format(DType type);

// The weights of a chunk, as f32 or rounded to bf16.
void decode(const Codes& codes, float* out);
void decode_bf16(const Codes& codes, uint16_t* out);

// A row of n f32 or bf16 (n: a multiple of 32), with zeros up to whole chunks: Rounded, or FineRounded.
void round_row(DType type, const std::byte* row, int64_t n, bool fine, std::byte* out);
constexpr int64_t rounded_bytes(int64_t n, bool fine) {
    return chunks_of(n) * static_cast<int64_t>(fine ? sizeof(FineRounded) : sizeof(Rounded));
}

}  // namespace gremium::kernels
