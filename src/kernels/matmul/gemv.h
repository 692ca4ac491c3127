// Products of a few rows, as in decoding, which never pack their weights: each weight row is read once, in the type it
// is stored in, and multiplied with all rows. Each element type that has its own dots is compiled in a file of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/matmul/product.h"

namespace gremium::kernels {

constexpr int64_t gemv_rows_at_once = 4, gemv_quantised_rows_at_once = 8;
std::string_view gemv_name();

// x[m][stride] = A's rows as f32 (rounded to bf16), with zeros up to a multiple of 32.
void gemv_inputs(float* x, int64_t stride, const Product& product, bool round);
// sums[m][n] of `m` <= gemv_rows_at_once rows of x and B's rows [n0, n0 + n).
using GemvDots = void (*)(float* sums, const float* x, int64_t stride, int64_t m, const Product& product, int64_t n0,
                          int64_t n);
// For B's element type; `round` brings f32 and f16 weights to bf16. A quantised weight is not rounded.
GemvDots gemv_dots(DType weights, bool round);

GemvDots gemv_dots_f32();
GemvDots gemv_dots_f16();
GemvDots gemv_dots_bf16();

// The same of block-quantised B and A's rounded rows as arrange_rounded() leaves them: x[m][rounded_bytes(k, fine)],
// aligned to 64 bytes; m <= gemv_quantised_rows_at_once. `then`: where the thread will read next, asked for early.
struct QuantisedDots {
    std::string_view name;
    void (*run)(float* sums, const std::byte* x, int64_t m, const Product& product, int64_t n0, int64_t n,
                const std::byte* then) = nullptr;
};
QuantisedDots gemv_dots_of_blocks_32(DType weights, bool fine);
QuantisedDots gemv_dots_of_blocks_k(DType weights, bool fine);
QuantisedDots gemv_dots_of_unpacked(bool fine);  // types that have unpack_arranged (chunk.h)
inline QuantisedDots gemv_quantised_dots(DType weights, bool fine) {
    for (const auto dots_of : {gemv_dots_of_blocks_32, gemv_dots_of_blocks_k})
        if (const QuantisedDots dots = dots_of(weights, fine); dots.run) return dots;
    return gemv_dots_of_unpacked(fine);
}

}  // namespace gremium::kernels
