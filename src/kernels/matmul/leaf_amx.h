// The bf16 leaf on tile registers, over whatever executes the instructions (amx_tiles.h).
#pragma once

#include "kernels/matmul/amx_tiles.h"
#include "kernels/matmul/leaf.h"

namespace gremium::kernels::amx {

constexpr int side = 16;  // a register: 16×16 sums, 16 rows of 16 units of A, or 16 units of 16 columns of B
constexpr int tile_rows = 2 * side, tile_cols = 2 * side;
inline constexpr Config whole_registers;

// A Leaf's tile function. Registers: 0-3 sums, 4-5 A, 6-7 B.
template <typename Tiles>
void tile_bf16(float* c, int64_t ldc, const uint32_t* a, const uint32_t* b, int64_t units, bool add) {
    constexpr int64_t a_bytes = 4 * a_stride, b_bytes = 4 * tile_cols;
    const int64_t c_bytes = 4 * ldc;
    float* const lower = c + side * ldc;
    if (add) {
        Tiles::template load<0>(c, c_bytes);
        Tiles::template load<1>(c + side, c_bytes);
        Tiles::template load<2>(lower, c_bytes);
        Tiles::template load<3>(lower + side, c_bytes);
    } else {
        Tiles::template zero<0>();
        Tiles::template zero<1>();
        Tiles::template zero<2>();
        Tiles::template zero<3>();
    }
    for (int64_t u = 0; u < units; u += side) {
        Tiles::template load<4>(a + u, a_bytes);
        Tiles::template load<6>(b + u * tile_cols, b_bytes);
        Tiles::template dot<0, 4, 6>();
        Tiles::template load<7>(b + u * tile_cols + side, b_bytes);
        Tiles::template dot<1, 4, 7>();
        Tiles::template load<5>(a + side * a_stride + u, a_bytes);
        Tiles::template dot<2, 5, 6>();
        Tiles::template dot<3, 5, 7>();
    }
    Tiles::template store<0>(c, c_bytes);
    Tiles::template store<1>(c + side, c_bytes);
    Tiles::template store<2>(lower, c_bytes);
    Tiles::template store<3>(lower + side, c_bytes);
}

template <typename Tiles>
double spin_bf16(int64_t rounds) {
    Tiles::configure(whole_registers);
    for (int64_t r = 0; r < rounds; ++r) {
        Tiles::template dot<0, 4, 6>();
        Tiles::template dot<1, 4, 7>();
        Tiles::template dot<2, 5, 6>();
        Tiles::template dot<3, 5, 7>();
    }
    Tiles::release();
    return 4.0 * 2 * side * side * 2 * side * static_cast<double>(rounds);
}

// gemv_rows is estimated from the throughput of the instructions, not measured.
template <typename Tiles>
inline constexpr Leaf bf16_leaf{.name = "AMX_BF16",
                                .panel = Panel::bf16,
                                .mr = tile_rows,
                                .nr = tile_cols,
                                .units_multiple = side,
                                .gemv_rows = 6,
                                .tile = tile_bf16<Tiles>,
                                .enter = [] { Tiles::configure(whole_registers); },
                                .leave = Tiles::release,
                                .spin = spin_bf16<Tiles>};

}  // namespace gremium::kernels::amx
