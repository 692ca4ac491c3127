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

// Such a row as dot products with weights of the format read it: bytes in the order in which vectors hold quants
// (lanes-inl.h), and instead of totals what is to be added where quants have a zero, −zero·total.
void arrange_rounded(const QuantisedFormat& format, const std::byte* rounded, int64_t n, bool fine, std::byte* out);

}  // namespace gremium::kernels
