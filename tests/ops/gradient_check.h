// Central differences against the tape. An operation is built over leaves (inputs and weights); the loss is the sum of
// its output times fixed random factors, summed in double. The differences come from runs that do not record, so the
// memory-reusing path is checked with them.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/random.h"
#include "ops/graph.h"
#include "tensor/quantised/blocks.h"

namespace gremium::ops {

inline std::span<float> floats(Tensor t) { return {t.f32(), static_cast<size_t>(t.count())}; }

inline OwnedTensor random_tensor(Shape shape, uint64_t seed, float scale = 1) {
    OwnedTensor t(DType::f32, shape);
    Random random(seed);
    for (float& v : floats(t)) v = scale * static_cast<float>(random.normal());
    return t;
}

inline std::vector<float> random_factors(int64_t count) {
    const OwnedTensor t = random_tensor({count}, 4711);
    return {floats(t).begin(), floats(t).end()};
}

class GradientCheck {
  public:
    using Build = std::function<Var(Graph&, std::span<const Var>)>;

    Graph::Options options{.record = true};
    double step = 1e-2, tolerance = 3e-3;  // of the largest gradient of each leaf

    // Inputs become the Vars that build gets, in this order; weights are used by build directly.
    void input(Shape shape, float scale = 1) { inputs_.push_back(&leaf("input", shape, scale)); }
    Weight weight(Shape shape, float scale = 1) {
        const Leaf& l = leaf("weight", shape, scale);
        return {l.value, l.grad};
    }

    void run(const Build& build) {
        const int before = threads();
        set_threads(1);  // the tensors are too small to share
        analytic(build);
        for (Leaf& l : leaves_) compare(l, build);
        set_threads(before);
    }

  private:
    struct Leaf {
        std::string name;
        OwnedTensor value, grad;
    };
    Leaf& leaf(const char* kind, Shape shape, float scale) {
        const auto index = leaves_.size();
        return leaves_.emplace_back(Leaf{fmt::format("{} {}", kind, index), random_tensor(shape, 100 + index, scale),
                                         OwnedTensor(DType::f32, shape)});
    }

    std::vector<Var> make_inputs(Graph& g) {
        std::vector<Var> vars;
        for (const Leaf* l : inputs_) vars.push_back(g.input(l->value, true));
        return vars;
    }

    void analytic(const Build& build) {
        Arena arena(1 << 16);
        Graph g(arena, options);
        const std::vector<Var> inputs = make_inputs(g);
        const Var y = build(g, inputs);
        ASSERT_TRUE(y->wants_grad);
        std::ranges::copy(random_factors(y->value.count()), g.grad_of(y).f32());
        g.backward();
        for (size_t i = 0; i < inputs.size(); ++i) {
            ASSERT_TRUE(inputs[i]->grad) << inputs_[i]->name << " got no gradient";
            std::ranges::copy(floats(inputs[i]->grad), inputs_[i]->grad.get().f32());
        }
    }

    double loss(const Build& build) {
        Arena arena(1 << 16);
        Graph::Options plain = options;
        plain.record = false;
        Graph g(arena, plain);
        const std::vector<float> y = to_floats(build(g, make_inputs(g))->value);
        const std::vector<float> factors = random_factors(static_cast<int64_t>(y.size()));
        double sum = 0;
        for (size_t i = 0; i < y.size(); ++i) sum += double{y[i]} * factors[i];
        return sum;
    }

    void compare(Leaf& l, const Build& build) {
        const std::span<float> values = floats(l.value), grads = floats(l.grad);
        double largest = 1e-3;
        for (const float d : grads) largest = std::max(largest, std::abs(double{d}));
        for (size_t i = 0; i < values.size(); ++i) {
            const float before = values[i];
            const float above = before + static_cast<float>(step), below = before - static_cast<float>(step);
            values[i] = above;
            const double up = loss(build);
            values[i] = below;
            const double down = loss(build);
            values[i] = before;
            const double numeric = (up - down) / (double{above} - double{below});
            ASSERT_NEAR(grads[i], numeric, tolerance * largest) << l.name << " element " << i;
        }
    }

    std::deque<Leaf> leaves_;
    std::vector<const Leaf*> inputs_;
};

// Bitwise equality.
inline bool same_bits(TensorView a, TensorView b) {
    return a.bytes() == b.bytes() && std::memcmp(a.data, b.data, static_cast<size_t>(a.bytes())) == 0;
}

}  // namespace gremium::ops
