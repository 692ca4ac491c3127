// Rows of block-quantised weights become chunks, and rows of activations are rounded to meet them (chunk.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quantised/chunk.h"
#include "tensor/dtype.h"

namespace gremium::kernels {

// With null unpack for other types, and where the active variant has no vectors to do it with.
QuantisedFormat quantised_format(DType type);

// The weights of a chunk, as f32 or rounded to bf16.
void dequantise(const QuantisedChunk& chunk, float* out);
void dequantise_bf16(const QuantisedChunk& chunk, uint16_t* out);

// A row of n f32 or bf16 (n: a multiple of 32), with zeros up to whole chunks: Rounded, or FineRounded.
void round_row(DType type, const std::byte* row, int64_t n, bool fine, std::byte* out);

}  // namespace gremium::kernels
