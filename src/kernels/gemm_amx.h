// The bf16 tile kernel on AMX's tile registers (Sapphire Rapids and later), written over a shim of their five
// instructions. The shim is what makes the indexing testable on machines without AMX: tests/kernels/gemm_amx_test.cpp
// passes one that executes Intel's definition of each instruction in software.
#pragma once

#include <cstdint>

#include "kernels/gemm.h"

namespace gremium::kernels::amx {

// LDTILECFG's operand for palette 1: eight registers of at most 16 rows of 64 bytes.
struct alignas(64) Config {
    uint8_t palette = 1, start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(Config) == 64);

constexpr int side = 16;  // a register: 16×16 sums, 16 rows of 16 units of A, or 16 units of 16 columns of B
constexpr int tile_rows = 2 * side, tile_cols = 2 * side;

// A Leaf's tile function. Registers: 0-3 sums, 4-5 A, 6-7 B. Tiles::configure() has run on this thread.
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

}  // namespace gremium::kernels::amx
