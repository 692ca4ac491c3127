// Inside of the grouped matmul. All three products are one driver of
//     C[m, n] (+)= Σ_k A(m, k) · B(n, k)
// over operands that are converted while they are packed. Panels are made of 32-bit *units* along k: one f32, or two
// neighbouring bf16 (k even in the low half):
//     A panel  [m][a_stride]        rows run along k; a tile broadcasts one unit
//     B panel  [n / nr][units][nr]  a vector holds neighbours in n; what VDPBF16PS and TDPBF16PS want
// Both are padded with zeros to whole tiles, so a tile kernel has no edges. Panels of codes (codes.h) hold parts of 32 or
// 16 elements: units of four bytes, then a scale and, where codes have no zero, a min of f32; tiles read the rows of A as
// they were rounded. Every element is summed in order of k within a block of `k_step` elements, and the blocks are summed in
// order: no bit depends on the number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/quantised/quantised.h"
#include "tensor/tensor.h"

namespace gremium::kernels {

// What panels hold. rounded_f32 serves bf16 computation where there is no bf16 arithmetic: bf16 values kept as f32,
// whose products are exact.
enum class Panel { f32, rounded_f32, bf16, codes_32, codes_16 };

constexpr int64_t k_block = 256;                 // units: a tile's panels stay in the first-level cache
constexpr int64_t a_stride = k_block + 16;       // units; an odd number of cache lines spreads the rows over the cache
constexpr int64_t m_limit = 272, n_limit = 512;  // at most so many rows of A, and of B, are packed at a time
constexpr int64_t b_limit = 256 * k_block;       // units of B: stays in the second-level cache
constexpr int64_t task_rows = 2 * m_limit;       // of A at most
constexpr int64_t ab_limit = (m_limit + n_limit) * k_block;  // of A and B together, where every task packs both
constexpr int max_nr = 32;
// Panels of codes: so many rows and columns at a time, and so many elements of k, that a tile's share of both sides stays in
// the first-level cache.
constexpr int64_t code_m_limit = 512, code_n_limit = 256, code_k_step = 2 * code_chunk;

// `k` elements of a row make up `units` units.
struct PanelShape {
    int64_t k, units;
};
constexpr PanelShape shape_of(Panel panel) {
    switch (panel) {
        case Panel::bf16:
            return {2, 1};
        default:
            return {1, 1};
    }
}
constexpr bool holds_codes(Panel panel) { return panel == Panel::codes_32 || panel == Panel::codes_16; }
// Elements in a block of k.
constexpr int64_t k_step(Panel panel) {
    return holds_codes(panel) ? code_k_step : k_block / shape_of(panel).units * shape_of(panel).k;
}
// Units of a column's k elements of codes.
constexpr int64_t code_units(const CodeFormat& format, int64_t k) {
    const int64_t part = format.small_parts ? code_part : 2 * code_part;
    return k / part * (part / 4 + (format.zero ? 1 : 2));
}

// One operand; its other index is called i (m or n). Rows are those of a tensor, maybe gathered.
struct Operand {
    const std::byte* data;
    DType dtype;
    int64_t stride;                 // bytes from row to row
    const int32_t* rows = nullptr;  // row j of the operand is row rows[j] of data; null: row j
    bool along_k = true;            // row i holds element (i, ·); otherwise row k holds (·, k)
    // The rows once more, as Rounded or FineRounded chunks, where products run on that.
    const std::byte* rounded = nullptr;
    const int32_t* rounded_rows = nullptr;  // as `rows`
    int64_t rounded_stride = 0;             // bytes
    bool fine = false;

    const std::byte* row(int64_t j) const { return data + (rows ? rows[j] : j) * stride; }
    template <typename Row>
    const Row* rounded_row(int64_t j) const {
        return reinterpret_cast<const Row*>(rounded + (rounded_rows ? rounded_rows[j] : j) * rounded_stride);
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

// A tile kernel for codes: c[i·ldc + j] (+)= Σ over k of a(i) · b(j) for i < rows <= mr, j < nr. Row i of A, rounded, begins at
// a[i]; zero: that of the codes (CodeFormat).
using CodeTile = void (*)(float* c, int64_t ldc, int64_t rows, const std::byte* const* a, const uint32_t* b, int64_t k,
                          int zero, bool add);

// A tile kernel: c[i·ldc + j] (+)= Σ over units of a(i) · b(j) for i < mr, j < nr.
struct Leaf {
    std::string_view name;
    Panel panel;
    int mr, nr;
    int units_multiple = 4;  // of the unit counts it is called with; a multiple of 4
    int gemv_rows = 0;       // groups of no more rows are better off without packing, by measurement
    void (*tile)(float* c, int64_t ldc, const uint32_t* a, const uint32_t* b, int64_t units, bool add) = nullptr;
    CodeTile code_tile = nullptr;  // instead, of panels of codes
    void (*enter)() = nullptr;     // before and after the tiles of one task, on its thread
    void (*leave)() = nullptr;
    double (*spin)(int64_t rounds) = nullptr;  // its instruction on registers alone (limits.h): operations done
};

// The product of one group, and what multiplies it when there are many rows. `chain` of them, this and those behind it,
// are summed to one C: they agree in m, n, c and leaf.
struct Product {
    Operand a, b;
    int64_t m, n, k;
    Output c;
    const Leaf* leaf;
    bool few_rows = false;  // does not pack: both operands along k
    int chain = 1;
};

const Leaf& simd_leaf(DType compute);  // Highway's chosen target
const Leaf& avx512_bf16_leaf();        // VDPBF16PS
// TDPBF16PS; null: not on this machine.
const Leaf* amx_bf16_leaf();
// Highway's chosen target, with VNNI where there is; null: has one lane. `fine`: for FineRounded rows.
const Leaf* codes_leaf(CodeFormat format, bool fine);

// Brings a finished tile (rows of nr sums), or what of it lies inside C, to the type of C.
void store_tile(const Output& out, int64_t rows, int64_t cols, const float* tile, int64_t nr, bool accumulate);

// The leaf the active variant uses for this type of products, with B of this type.
const Leaf& choose_leaf(DType compute, DType b, bool fine = false);

// Returns the name of what ran (of one, where products differ).
std::string_view run_products(std::span<const Product> products, DType compute, bool accumulate);

// Products of a few rows, as in decoding, never pack their weights: each weight row is read once, in the type it is
// stored in, and multiplied with all rows. A quantised weight is not rounded to the type of the computation here.
constexpr int64_t gemv_rows_at_once = 4, gemv_codes_rows_at_once = 8;
std::string_view gemv_name();
std::string_view gemv_codes_name();
// x[m][stride] = A's rows as f32 (rounded to bf16), with zeros up to a multiple of 32.
void gemv_inputs(float* x, int64_t stride, const Product& product, bool round);
// sums[m][n] of `m` <= gemv_rows_at_once rows of x and B's rows [n0, n0 + n).
using GemvDots = void (*)(float* sums, const float* x, int64_t stride, int64_t m, const Product& product, int64_t n0,
                          int64_t n);
// The same of block-quantised B and A's rounded rows as gemv_codes_inputs brings them into the order of B's codes:
// x[m][rounded_bytes(k, fine)], aligned to 64 bytes; m <= gemv_codes_rows_at_once. `then`: where the thread will read next,
// asked for early.
void gemv_codes_inputs(std::byte* x, const Product& product);
void gemv_codes(float* sums, const std::byte* x, int64_t m, const Product& product, int64_t n0, int64_t n,
                const std::byte* then);
// For B's element type; `round` brings f32 and f16 weights to bf16.
GemvDots gemv_dots(DType weights, bool round);

}  // namespace gremium::kernels
