// In place of src/kernels/matmul/leaf_amx.cpp and src/kernels/simd/cpu_amx.cpp: every machine with AVX-512 has tiles
// here. The tests beside it are those of tests/kernels on the variant `amx`, down to the driver, packing and attention
// in the library's own objects.
#include <gtest/gtest.h>

#include "kernels/matmul/leaf_amx.h"
#include "kernels/simd/cpu.h"
#include "kernels/simd/variant.h"
#include "tests/kernels/emulated_tiles.h"

namespace gremium::kernels {

bool has_amx_bf16() { return true; }

const Leaf* amx_bf16_leaf() { return &amx::bf16_leaf<amx::EmulatedTiles>; }

namespace {

TEST(EmulatedLeaf, IsWhatTheVariantRunsOn) {
    if (available_variants().back() != Variant::amx) GTEST_SKIP() << "vectors beside the tiles need AVX-512";
    force(Variant::amx);
    EXPECT_EQ(&choose_leaf(DType::bf16, DType::bf16), &amx::bf16_leaf<amx::EmulatedTiles>);
    EXPECT_GT(amx::bf16_leaf<amx::EmulatedTiles>.spin(1), 0);
}

}  // namespace
}  // namespace gremium::kernels
