// Inside of the grouped matmul. All three products are one driver of
//     C[m, n] (+)= Σ_k A(m, k) · B(n, k)
// over operands that are converted while they are packed. Panels are made of 32-bit *units* along k: one f32, or two
// neighbouring bf16 (k even in the low half):
//     A panel  [m][a_stride]        rows run along k; a tile broadcasts one unit
//     B panel  [n / nr][units][nr]  a vector holds neighbours in n; what VDPBF16PS and TDPBF16PS want
// Panels of codes (codes.h) hold parts of 32 or 16 elements: units of four bytes, then two of f32: the part's scale and
// min (of B) or sum (of A). Both are padded with zeros to whole tiles, so a tile kernel has no edges. Every element is summed in order of k within
// a block of `k_block` units, and the blocks are summed in order: no bit depends on the number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/codes.h"
#include "tensor/tensor.h"

namespace gremium::kernels {

// What panels hold. rounded_f32 serves bf16 computation where there is no bf16 arithmetic: bf16 values kept as f32,
// whose products are exact.
enum class Panel { f32, rounded_f32, bf16, codes_32, codes_16 };

constexpr int64_t k_block = 256;  // units: a tile's panels stay in the first-level cache
constexpr int64_t a_stride =
    k_block + 16;  // units; an odd number of cache lines spreads the rows over the cache
constexpr int64_t m_limit = 272, n_limit = 512;  // at most so many rows of A, and of B, are packed at a time
constexpr int64_t b_limit = 256 * k_block;       // units of B: stays in the second-level cache
constexpr int max_nr = 32;

// `k` elements of a row make up `units` units.
struct PanelShape {
    int64_t k, units;
};
constexpr PanelShape shape_of(Panel panel) {
    switch (panel) {
        case Panel::bf16:
            return {2, 1};
        case Panel::codes_32:
            return {32, 8 + 2};
        case Panel::codes_16:
            return {16, 4 + 2};
        default:
            return {1, 1};
    }
}
// Elements in a block of k: as many as k_block units hold, in whole blocks of every type.
constexpr int64_t k_step(Panel panel) {
    return k_block / shape_of(panel).units * shape_of(panel).k / code_chunk * code_chunk;
}

// One operand; its other index is called i (m or n). Rows are those of a tensor, maybe gathered.
struct Operand {
    const std::byte* data;
    DType dtype;
    int64_t stride;                 // bytes from row to row
    const int32_t* rows = nullptr;  // row j of the operand is row rows[j] of data; null: row j
    bool along_k = true;            // row i holds element (i, ·); otherwise row k holds (·, k)
    // The rows once more, rounded, where products run on that. Each is the sum of one or two, of `chunks` each.
    const Rounded* rounded = nullptr;
    const int32_t* rounded_rows = nullptr;  // as `rows`
    int64_t chunks = 0;
    int terms = 1;

    const std::byte* row(int64_t j) const { return data + (rows ? rows[j] : j) * stride; }
    const Rounded* rounded_row(int64_t j, int term) const {
        return rounded + ((rounded_rows ? rounded_rows[j] : j) * terms + term) * chunks;
    }
};

// Where results go: rows of f32 or bf16.
struct Output {
    std::byte* data;
    DType dtype;
    int64_t stride;  // bytes from row to row

    Output at(int64_t row, int64_t col) const {
        return {data + row * stride + col * (dtype == DType::f32 ? 4 : 2), dtype, stride};
    }
};

// A tile kernel: c[i·ldc + j] (+)= Σ over units of a(i) · b(j) for i < mr, j < nr.
struct Leaf {
    std::string_view name;
    Panel panel;
    int mr, nr;
    int units_multiple;  // of the unit counts it is called with; a multiple of 4
    int gemv_rows;       // groups of no more rows are better off without packing, by measurement
    void (*tile)(float* c, int64_t ldc, const uint32_t* a, const uint32_t* b, int64_t units, bool add);
    void (*enter)() = nullptr;  // before and after the tiles of one task, on its thread
    void (*leave)() = nullptr;
    double (*spin)(int64_t rounds) =
        nullptr;  // its instruction on registers alone (limits.h): operations done
};

// The product of one group, and what multiplies it when there are many rows.
struct Product {
    Operand a, b;
    int64_t m, n, k;
    Output c;
    const Leaf* leaf;
};

const Leaf& simd_leaf(DType compute);  // Highway's chosen target
const Leaf& avx512_bf16_leaf();        // VDPBF16PS
const Leaf& amx_bf16_leaf();           // TDPBF16PS
const Leaf* codes_leaf(
    CodeFormat format);  // Highway's chosen target, with VNNI where there is; null: has one lane

// Brings a finished tile (rows of nr sums), or what of it lies inside C, to the type of C.
void store_tile(const Output& out, int64_t rows, int64_t cols, const float* tile, int64_t nr,
                bool accumulate);

// The leaf the active variant uses for this type of products, with B of this type.
const Leaf& choose_leaf(DType compute, DType b, bool fine = false);

// Returns the name of what ran (of one, where products differ).
std::string_view run_products(std::span<const Product> products, DType compute, bool accumulate);

// Products of a few rows, as in decoding, never pack their weights: each weight row is read once, in the type it is
// stored in, and multiplied with all rows. A quantised weight is not rounded to the type of the computation here.
constexpr int64_t gemv_rows_at_once = 4;
std::string_view gemv_name();
std::string_view gemv_codes_name();
// x[m][stride] = A's rows as f32 (rounded to bf16), with zeros up to a multiple of 32.
void gemv_inputs(float* x, int64_t stride, const Product& product, bool round);
// sums[m][n] of `m` <= gemv_rows_at_once rows of x and B's rows [n0, n0 + n).
using GemvDots = void (*)(float* sums, const float* x, int64_t stride, int64_t m, const Product& product,
                          int64_t n0, int64_t n);
// The same of A's rounded rows and block-quantised B; rows count once for each term.
void gemv_codes(float* sums, int64_t m0, int64_t m, const Product& product, int64_t n0, int64_t n);
// For B's element type; `round` brings f32 and f16 weights to bf16.
GemvDots gemv_dots(DType weights, bool round);

}  // namespace gremium::kernels
