// What the tile kernels of the grouped matmul read. All its products are one driver of
//     C[m, n] (+)= Σ_k A(m, k) · B(n, k)
// over operands that are converted while they are packed. Panels are made of 32-bit *units* along k: one f32, or two
// neighbouring bf16 (k even in the low half):
//     A panel  [m][a_stride]        rows run along k; a tile broadcasts one unit
//     B panel  [n / nr][units][nr]  a vector holds neighbours in n; what VDPBF16PS and TDPBF16PS want
// Both are padded with zeros to whole tiles, so a tile kernel has no edges. Panels of quantised weights (chunk.h) hold
// parts of 32 or 16 elements: units of four bytes, then a scale and, where quants have no zero, a min of f32; tiles
// read the rows of A as they were rounded. Every element is summed in order of k within a block of `k_step` elements,
// and the blocks are summed in order: no bit depends on the number of threads.
#pragma once

#include <cstdint>

#include "kernels/quantised/chunk.h"

namespace gremium::kernels {

// What panels hold. rounded_f32 serves bf16 computation where there is no bf16 arithmetic: bf16 values kept as f32,
// whose products are exact.
enum class Panel { f32, rounded_f32, bf16, quantised_32, quantised_16 };

// Units: a tile's panels stay in the first-level cache.
constexpr int64_t k_block = 256;
// Units; an odd number of cache lines spreads the rows over the cache.
constexpr int64_t a_stride = k_block + 16;
// At most so many rows of A, and of B, are packed at a time.
constexpr int64_t m_limit = 272, n_limit = 512;
constexpr int max_nr = 32;
// Panels of quantised weights: so many rows and columns at a time, and so many elements of k, that a tile's share of
// both sides stays in the first-level cache.
constexpr int64_t quantised_m_limit = 512, quantised_n_limit = 256, quantised_k_step = 2 * chunk_size;

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
constexpr bool holds_quantised(Panel panel) { return panel == Panel::quantised_32 || panel == Panel::quantised_16; }
// To multiples: of tiles, chunks or units.
constexpr int64_t round_down(int64_t n, int64_t multiple) { return n / multiple * multiple; }
constexpr int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }
// Elements in a block of k.
constexpr int64_t k_step(Panel panel) {
    return holds_quantised(panel) ? quantised_k_step : k_block / shape_of(panel).units * shape_of(panel).k;
}
// Units of a column's k quantised elements.
constexpr int64_t quantised_units(const QuantisedFormat& format, int64_t k) {
    const int64_t part = format.small_parts ? part_size : 2 * part_size;
    return k / part * (part / 4 + (format.zero ? 1 : 2));
}

}  // namespace gremium::kernels
