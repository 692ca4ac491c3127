// The innermost loops of the grouped matmul: one *leaf* for each instruction set and kind of panel (panel.h).
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/matmul/panel.h"
#include "kernels/matmul/product.h"
#include "kernels/quantised/chunk.h"

namespace gremium::kernels {

// A tile kernel for quantised weights: c[i·ldc + j] (+)= Σ over k of a(i) · b(j) for i < rows <= mr, j < nr. Row i of
// A, rounded, begins at a[i]; zero: that of the weights (QuantisedFormat).
using QuantisedTile = void (*)(float* c, int64_t ldc, int64_t rows, const std::byte* const* a, const uint32_t* b,
                               int64_t k, int zero, bool add);

// A tile kernel: c[i·ldc + j] (+)= Σ over units of a(i) · b(j) for i < mr, j < nr.
struct Leaf {
    std::string_view name;
    Panel panel;
    int mr, nr;
    // Of the unit counts it is called with; a multiple of 4.
    int units_multiple = 4;
    // Groups of no more rows are better off without packing, by measurement.
    int gemv_rows = 0;
    void (*tile)(float* c, int64_t ldc, const uint32_t* a, const uint32_t* b, int64_t units, bool add) = nullptr;
    // Instead, of panels of quantised weights.
    QuantisedTile quantised_tile = nullptr;
    // Before and after the tiles of one task, on its thread.
    void (*enter)() = nullptr;
    void (*leave)() = nullptr;
    // Its instruction on registers alone (bench/limits.h): operations done.
    double (*spin)(int64_t rounds) = nullptr;
};

// On Highway's chosen target.
const Leaf& simd_leaf(DType compute);
// On VDPBF16PS.
const Leaf& avx512_bf16_leaf();
// On TDPBF16PS; null: not on this machine.
const Leaf* amx_bf16_leaf();
// On Highway's chosen target, with VNNI where there is; null: has one lane. `fine`: for FineRounded rows.
const Leaf* quantised_leaf(QuantisedFormat format, bool fine);

// The leaf the active variant uses for this type of products, with B of this type.
const Leaf& choose_leaf(DType compute, DType b, bool fine = false);

// Brings a finished tile (rows of nr sums), or what of it lies inside C, to the type of C.
void store_tile(const Output& out, int64_t rows, int64_t cols, const float* tile, int64_t nr, bool accumulate);

}  // namespace gremium::kernels
