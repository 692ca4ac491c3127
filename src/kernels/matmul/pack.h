// Panels for the tile kernels (their layout: panel.h).
#pragma once

#include <cstdint>

#include "kernels/matmul/leaf.h"
#include "kernels/matmul/product.h"

namespace gremium::kernels {

// A half-open piece of an operand: indices [i, i + count) and [k, k + k_count), k_count elements making up `units`
// units after padding. k is a multiple of 256, so that blocks of quantised rows stay whole.
struct Piece {
    int64_t i, count, k, k_count, units;
};

// out: [count rounded up to mr][a_stride]. Not of quants.
void pack_a(uint32_t* out, const Operand& a, const Piece& piece, const Leaf& leaf);
// out: [⌈count / nr⌉][units][nr].
void pack_b(uint32_t* out, const Operand& b, const Piece& piece, const Leaf& leaf);

}  // namespace gremium::kernels
