#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include "tensor/arena.h"

namespace gremium {
namespace {

TEST(Tensor, ShapesRowsAndParts) {
    OwnedTensor owned(DType::f32, {3, 4, 5});
    const Tensor t = owned;
    EXPECT_EQ(t.count(), 60);
    EXPECT_EQ(t.rows(), 12);
    EXPECT_EQ(t.cols(), 5);
    EXPECT_EQ(t.row_bytes(), 20);
    EXPECT_EQ(to_string(t.shape), "[3, 4, 5]");
    const Tensor part = t.at(2);
    EXPECT_EQ(part.shape, (Shape{4, 5}));
    EXPECT_EQ(part.data, t.data + 2 * 80);
    EXPECT_EQ(reshape(t, {60}).rows(), 1);
}

TEST(Tensor, QuantisedRowsCountBlocks) {
    const TensorView t{nullptr, DType::q4_0, {2, 64}};
    EXPECT_EQ(t.row_bytes(), 36);
    EXPECT_EQ(t.bytes(), 72);
}

TEST(Arena, ReusesMemoryAfterRelease) {
    Arena arena(1 << 16);
    const Tensor a = arena.tensor(DType::f32, {100});
    const Arena::Mark mark = arena.mark();
    const Tensor b = arena.tensor(DType::f32, {1 << 20});  // larger than a chunk
    EXPECT_EQ(reinterpret_cast<uintptr_t>(b.data) % 64, 0u);
    b.f32()[(1 << 20) - 1] = 1;
    const size_t reserved = arena.bytes_reserved();
    arena.release(mark);
    EXPECT_EQ(arena.bytes_in_use(), 448u);
    EXPECT_EQ(arena.tensor(DType::f32, {1 << 20}).data, b.data);
    EXPECT_EQ(arena.bytes_reserved(), reserved);
    EXPECT_NE(a.data, b.data);
    arena.clear();
    EXPECT_EQ(arena.zeros(DType::f32, {100}).f32()[99], 0);
}

}  // namespace
}  // namespace gremium
