#include "kernels/gemm_amx.h"

namespace gremium::kernels {

#if defined(__x86_64__)

namespace {

// The instructions themselves. Compilers' intrinsics take register numbers as literal tokens only, not as template
// arguments; an assembler that knows AMX needs no flags.
struct Tiles {
    static void configure() {
        static constexpr amx::Config config;
        asm volatile("ldtilecfg %0" : : "m"(config));
    }
    static void release() { asm volatile("tilerelease"); }
    template <int t>
    static void zero() {
        asm volatile("tilezero %%tmm%c0" : : "i"(t));
    }
    template <int t>
    static void load(const void* from, int64_t bytes) {
        asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(bytes), "i"(t) : "memory");
    }
    template <int t>
    static void store(void* to, int64_t bytes) {
        asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(bytes), "i"(t) : "memory");
    }
    template <int c, int a, int b>
    static void dot() {
        asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
    }
};

double spin(int64_t rounds) {
    Tiles::configure();
    for (int64_t r = 0; r < rounds; ++r) {
        Tiles::dot<0, 4, 6>();
        Tiles::dot<1, 4, 7>();
        Tiles::dot<2, 5, 6>();
        Tiles::dot<3, 5, 7>();
    }
    Tiles::release();
    return 4.0 * 2 * amx::side * amx::side * 2 * amx::side * static_cast<double>(rounds);
}

}  // namespace

const Leaf& amx_bf16_leaf() {
    // gemv_rows is estimated from the throughput of the instructions, not measured.
    static constexpr Leaf leaf{.name = "AMX_BF16",
                               .panel = Panel::bf16,
                               .mr = amx::tile_rows,
                               .nr = amx::tile_cols,
                               .units_multiple = amx::side,
                               .gemv_rows = 6,
                               .tile = amx::tile_bf16<Tiles>,
                               .enter = Tiles::configure,
                               .leave = Tiles::release,
                               .spin = spin};
    return leaf;
}

#else

const Leaf& amx_bf16_leaf() { return simd_leaf(DType::bf16); }

#endif

}  // namespace gremium::kernels
