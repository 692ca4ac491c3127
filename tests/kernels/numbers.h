// What the tests of numeric kernels share: random tensors, their numbers in float64, derivatives of float64 functions.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/random.h"
#include "kernels/simd/variant.h"
#include "tensor/arena.h"
#include "tensor/quantised/blocks.h"

namespace gremium::kernels {

using Doubles = std::vector<double>;

inline OwnedTensor random_tensor(DType dtype, Shape shape, uint64_t seed, double spread = 1) {
    Random random(seed);
    std::vector<float> values(static_cast<size_t>(shape.count()));
    for (float& v : values) v = static_cast<float>(spread * random.normal());
    OwnedTensor out(dtype, shape);
    const int64_t cols = out.get().cols(), rows = out.get().rows();
    // Finding entries of codebooks takes long: a few rows, which repeat.
    const bool slow = dtype >= DType::iq1_s && dtype <= DType::iq3_s;
    const int64_t different = slow ? std::min<int64_t>(rows, 4) : rows;
    convert(as_tensor(std::as_const(values).data(), {different, cols}), {out.get().data, dtype, {different, cols}});
    for (int64_t r = different; r < rows; ++r)
        std::memcpy(out.get().row(r), out.get().row(r % different), static_cast<size_t>(out.get().row_bytes()));
    return out;
}

inline Doubles doubles(TensorView t) {
    if (!t) return {};
    const std::vector<float> floats = to_floats(t);
    return {floats.begin(), floats.end()};
}

inline OwnedTensor copy(TensorView t) {
    OwnedTensor out(t.dtype, t.shape);
    std::memcpy(out.get().data, t.data, static_cast<size_t>(t.bytes()));
    return out;
}

// |actual − expected| <= tolerance·(1 + |expected|), where a bf16 tensor may be off by its rounding too.
inline void expect_near(TensorView actual, const Doubles& expected, double tolerance = 3e-6,
                        const std::string& what = "") {
    const Doubles values = doubles(actual);
    ASSERT_EQ(values.size(), expected.size()) << what;
    if (actual.dtype == DType::bf16) tolerance += 0x1p-8;
    for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_NEAR(values[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << what << " at " << i;
    }
}

// ∂loss/∂x by central differences. x is restored.
template <typename Loss>
Doubles gradient(Doubles& x, Loss&& loss) {
    Doubles out(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
        const double at = x[i], h = 1e-5;
        x[i] = at + h;
        const double above = loss();
        x[i] = at - h;
        out[i] = (above - loss()) / (2 * h);
        x[i] = at;
    }
    return out;
}

inline double dot(const Doubles& a, const Doubles& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}

inline Doubles plus(Doubles a, const Doubles& b) {
    for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
    return a;
}

// compute() returns a tensor; its bits must be the same with one, two and three threads.
template <typename Compute>
void expect_same_bits_for_any_threads(Compute&& compute) {
    set_threads(1);
    const OwnedTensor expected = compute();
    for (const int n : {2, 3}) {
        set_threads(n);
        const OwnedTensor actual = compute();
        EXPECT_EQ(std::memcmp(actual.get().data, expected.get().data, static_cast<size_t>(expected.get().bytes())), 0)
            << n << " threads";
    }
    set_threads(0);
}

// One test for each variant that runs here; its name says which.
class EachVariant : public testing::TestWithParam<Variant> {
  protected:
    void SetUp() override { force(GetParam()); }
    void TearDown() override {
        force(available_variants().back());
        set_threads(0);
    }
};
#define GREMIUM_EACH_VARIANT(suite)                                                   \
    INSTANTIATE_TEST_SUITE_P(Kernels, suite, testing::ValuesIn(available_variants()), \
                             [](const auto& test_case) { return std::string(name(test_case.param)); })

}  // namespace gremium::kernels
