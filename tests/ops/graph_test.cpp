#include "ops/graph.h"

#include <gtest/gtest.h>

#include <memory>

#include "ops/ops.h"
#include "tests/ops/gradient_check.h"

namespace gremium::ops {
namespace {

constexpr Graph::Options recording{.record = true};

TEST(BufferPool, RecyclesTheLastBufferGivenBack) {
    BufferPool pool;
    BufferPool::Buffer* a = pool.take(1000);
    BufferPool::Buffer* b = pool.take(1000);
    EXPECT_NE(a, b);
    pool.drop(a);
    EXPECT_EQ(pool.take(990), a);
    ++b->owners;
    pool.drop(b);
    EXPECT_NE(pool.take(1000), b) << "still shared";
}

TEST(Graph, InputsThatWantNoGradientGetNone) {
    Arena arena(1 << 16);
    Graph g(arena, recording);
    const OwnedTensor x = random_tensor({3, 4}, 1), w = random_tensor({2, 4}, 2);
    const Var frozen = linear(g, g.input(x), {w, {}});
    EXPECT_FALSE(frozen->wants_grad);
    OwnedTensor dw(DType::f32, {2, 4});
    const Var in = g.input(x);
    const Var y = linear(g, in, {w, dw});
    ASSERT_TRUE(y->wants_grad);
    g.grad_of(y);
    g.backward();
    EXPECT_FALSE(in->grad);
}

TEST(Graph, BranchesWithoutGradientAreSkipped) {
    Arena arena(1 << 16);
    Graph g(arena, recording);
    const OwnedTensor x = random_tensor({2, 2}, 1);
    const Var in = g.input(x, true);
    const Var used = scale(g, in, 3), unused = scale(g, in, 5);
    bool ran = false;
    g.record({unused}, [&] { ran = true; });
    std::ranges::fill(floats(g.grad_of(used)), 1.0f);
    g.backward();
    EXPECT_FALSE(ran);
    EXPECT_EQ(in->grad.f32()[0], 3);
    EXPECT_FALSE(used->grad) << "recycled";
}

// y = x + x: both contributions reach x though the sum's gradient buffer is passed on without a copy.
TEST(Graph, SharedGradientsDoNotLeakIntoEachOther) {
    Arena arena(1 << 16);
    Graph g(arena, recording);
    const OwnedTensor a = random_tensor({2, 2}, 1), b = random_tensor({2, 2}, 2);
    const Var x = g.input(a, true), y = g.input(b, true);
    const Var sum = add(g, x, y);
    const Var total = add(g, sum, x);
    std::ranges::fill(floats(g.grad_of(total)), 1.0f);
    g.backward();
    EXPECT_EQ(x->grad.f32()[0], 2);
    EXPECT_EQ(y->grad.f32()[0], 1);
}

TEST(Graph, SeedScalesTheGradient) {
    Arena arena(1 << 16);
    Graph g(arena, recording);
    float value = 4;
    const Var x = g.input(as_tensor(&value, {1}), true);
    g.backward(add_scaled(g, x, x, 0.5f), 2);
    EXPECT_EQ(*x->grad.f32(), 3);
}

TEST(Graph, KeepsObjectsUntilTheTapeIsGone) {
    Arena arena(1 << 16);
    Graph g(arena, recording);
    auto object = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = object;
    g.keep(std::move(object));
    EXPECT_FALSE(watch.expired());
    g.backward();
    EXPECT_TRUE(watch.expired());
}

TEST(Graph, WithoutRecordingSumsAreMadeInPlaceButInputsStay) {
    Arena arena(1 << 16);
    Graph g(arena, {});
    const OwnedTensor x = random_tensor({2, 3}, 1);
    const float before = x.get().f32()[0];
    const Var in = g.input(x), twice = add(g, in, in);
    EXPECT_NE(twice, in);
    EXPECT_EQ(add(g, twice, in), twice);
    EXPECT_EQ(x.get().f32()[0], before);
    EXPECT_FLOAT_EQ(twice->value.f32()[0], 3 * before);
}

TEST(Graph, ShapesThatDoNotFitAreErrors) {
    Arena arena(1 << 16);
    Graph g(arena, {});
    const OwnedTensor x = random_tensor({2, 3}, 1), w = random_tensor({2, 4}, 2);
    EXPECT_THROW(linear(g, g.input(x), {w, {}}), std::runtime_error);
    EXPECT_THROW(add(g, g.input(x), g.input(w)), std::runtime_error);
    EXPECT_THROW(cross_entropy(g, g.input(x), {x, {}}, std::vector<int32_t>{1}), std::runtime_error);
}

}  // namespace
}  // namespace gremium::ops
