// AMX's tile registers (Sapphire Rapids and later) and the few instructions on them that the leaves use, as static
// functions of a type. The type is what makes the leaves testable on machines without AMX:
// tests/kernels/emulated_tiles.h has the same functions by Intel's definition of the instructions.
#pragma once

#include <cstdint>

namespace gremium::kernels::amx {

// LDTILECFG's operand for palette 1: eight registers of at most 16 rows of 64 bytes.
struct alignas(64) Config {
    uint8_t palette = 1, start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(Config) == 64);

#if defined(__x86_64__)

// Compilers' intrinsics take register numbers as literal tokens only, not as template arguments; an assembler that
// knows AMX needs no flags.
struct Tiles {
    static void configure(const Config& config) { asm volatile("ldtilecfg %0" : : "m"(config)); }
    static void release() { asm volatile("tilerelease"); }
    template <int t>
    static void zero() {
        asm volatile("tilezero %%tmm%c0" : : "i"(t));
    }
    // Rows are `bytes` apart in memory.
    template <int t>
    static void load(const void* from, int64_t bytes) {
        asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(bytes), "i"(t) : "memory");
    }
    template <int t>
    static void store(void* to, int64_t bytes) {
        asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(bytes), "i"(t) : "memory");
    }
    // f32 sums c += a · b of pairs of bf16: rows of a run along k, a row of b holds one pair of each column.
    template <int c, int a, int b>
    static void dot() {
        asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
    }
};

#endif

}  // namespace gremium::kernels::amx
