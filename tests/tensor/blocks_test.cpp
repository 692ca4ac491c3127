#include "tensor/quantised/blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/random.h"
#include "tensor/arena.h"

namespace gremium {
namespace {

constexpr DType quantised[] = {DType::q8_0,    DType::q4_0,   DType::q4_1,   DType::q5_0,    DType::q5_1,
                               DType::iq4_nl,  DType::mxfp4,  DType::q2_k,   DType::q3_k,    DType::q4_k,
                               DType::q5_k,    DType::q6_k,   DType::iq4_xs, DType::iq1_s,   DType::iq1_m,
                               DType::iq2_xxs, DType::iq2_xs, DType::iq2_s,  DType::iq3_xxs, DType::iq3_s,
                               DType::tq1_0,   DType::tq2_0,  DType::nvfp4,  DType::q1_0,    DType::q2_0};

// Types without a code for zero: what is small beside its neighbours does not stay small.
bool has_zero(DType dtype) {
    return std::ranges::none_of(std::initializer_list{DType::iq1_s, DType::iq1_m, DType::iq2_xxs, DType::iq2_xs,
                                                      DType::iq2_s, DType::iq3_xxs, DType::iq3_s, DType::q1_0},
                                [&](DType without) { return without == dtype; });
}

std::vector<float> through(DType dtype, const std::vector<float>& x, std::span<const float> importance = {}) {
    std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(dtype, std::ssize(x))));
    quantise_row(dtype, x.data(), bytes.data(), std::ssize(x), importance);
    std::vector<float> y(x.size());
    dequantise_row(dtype, bytes.data(), y.data(), std::ssize(y));
    return y;
}

std::vector<float> normal_row(size_t n, uint64_t seed) {
    Random random(seed);
    std::vector<float> x(n);
    for (float& v : x) v = static_cast<float>(random.normal());
    return x;
}

// Σ w·(x − y)²
double error(const std::vector<float>& x, const std::vector<float>& y, const std::vector<float>& w = {}) {
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i)
        sum += (w.empty() ? 1 : double{w[i]}) * (double{x[i]} - double{y[i]}) * (double{x[i]} - double{y[i]});
    return sum;
}

// Relative RMS errors for normal weights, a little above what ggml's quantisers reach (tests/interop compares them).
TEST(Blocks, QuantisersReachTheErrorOfTheirBits) {
    const std::vector<float> x = normal_row(256 * 40, 3);
    const double size = error(x, std::vector<float>(x.size()));
    for (const auto& [dtype, bound] : {std::pair{DType::q8_0, 0.006},
                                       {DType::q4_0, 0.093},
                                       {DType::q4_1, 0.080},
                                       {DType::q5_0, 0.046},
                                       {DType::q5_1, 0.039},
                                       {DType::iq4_nl, 0.079},
                                       {DType::mxfp4, 0.125},
                                       {DType::q2_k, 0.30},
                                       {DType::q3_k, 0.155},
                                       {DType::q4_k, 0.075},
                                       {DType::q5_k, 0.037},
                                       {DType::q6_k, 0.019},
                                       {DType::iq4_xs, 0.077},
                                       {DType::iq1_s, 0.48},
                                       {DType::iq1_m, 0.45},
                                       {DType::iq2_xxs, 0.34},
                                       {DType::iq2_xs, 0.30},
                                       {DType::iq2_s, 0.25},
                                       {DType::iq3_xxs, 0.182},
                                       {DType::iq3_s, 0.137},
                                       {DType::tq1_0, 0.45},
                                       {DType::tq2_0, 0.45},
                                       {DType::nvfp4, 0.096},
                                       {DType::q1_0, 0.61},
                                       {DType::q2_0, 0.37}}) {
        EXPECT_LT(std::sqrt(error(x, through(dtype, x)) / size), bound) << info(dtype).name;
    }
}

// What a type can say exactly it says exactly: a second pass changes nothing but the rounding of scales.
TEST(Blocks, QuantisingTwiceKeepsTheValues) {
    const std::vector<float> x = normal_row(256 * 8, 4);
    for (const DType dtype : quantised) {
        const std::vector<float> once = through(dtype, x), twice = through(dtype, once);
        EXPECT_LT(error(once, twice), 1e-3 * error(x, once)) << info(dtype).name;
    }
}

TEST(Blocks, ImportanceLowersTheWeightedError) {
    const std::vector<float> x = normal_row(256 * 20, 5);
    std::vector<float> importance(x.size());
    Random random(6);
    for (float& v : importance) v = static_cast<float>(std::exp(3 * random.normal()));
    for (const DType dtype : quantised) {
        const double plain = error(x, through(dtype, x), importance),
                     weighted = error(x, through(dtype, x, importance), importance);
        EXPECT_LT(weighted, (dtype == DType::q8_0 ? 1.0001 : 0.97) * plain) << info(dtype).name;
    }
}

// Weights that are -1, 0 or 1 times a number in f16, or only -1 and 1.
TEST(Blocks, TernaryAndBinaryWeightsAreExact) {
    Random random(9);
    std::vector<float> ternary(1024), binary(1024);
    for (size_t i = 0; i < ternary.size(); ++i) {
        const float scale = f16_to_f32(static_cast<uint16_t>(0x2400 + 37 * (i / 256)));
        ternary[i] = scale * static_cast<float>(static_cast<int>(random.bits() % 3) - 1);
        binary[i] = random.bits() % 2 ? scale : -scale;
    }
    for (const DType dtype : {DType::tq1_0, DType::tq2_0, DType::q2_0})
        EXPECT_EQ(through(dtype, ternary), ternary) << info(dtype).name;
    for (const DType dtype : {DType::tq1_0, DType::tq2_0, DType::q2_0, DType::q1_0})
        EXPECT_EQ(through(dtype, binary), binary) << info(dtype).name;
}

TEST(Blocks, OddRowsAreQuantisedSensibly) {
    const std::vector<float> zeros(256), ones(256, 1.f);
    std::vector<float> spike(256), tiny(256, 1e-30f), broken = normal_row(256, 7);
    spike[77] = -3;
    broken[3] = std::numeric_limits<float>::quiet_NaN();
    broken[100] = std::numeric_limits<float>::infinity();
    for (const DType dtype : quantised) {
        SCOPED_TRACE(info(dtype).name);
        EXPECT_EQ(through(dtype, zeros), zeros);
        EXPECT_EQ(through(dtype, zeros, zeros), zeros);
        EXPECT_LT(error(ones, through(dtype, ones)), 256 * 1e-3);
        if (has_zero(dtype)) {
            EXPECT_LT(error(spike, through(dtype, spike, zeros)), 0.05);
            const std::vector<float> y = through(dtype, spike);
            EXPECT_NEAR(y[77], -3, 0.2);
            EXPECT_LT(error(spike, y), 0.05);
        }
        // Importance that is nowhere counts the same everywhere.
        const std::vector<float> x = normal_row(256, 8), equal(256, 5.f);
        EXPECT_NEAR(error(x, through(dtype, x, zeros)) / error(x, through(dtype, x, equal)), 1, 0.01);
        for (const float v : through(dtype, tiny)) EXPECT_LT(std::fabs(v), 1e-6f);
        through(dtype, broken);  // whatever comes out, nothing breaks
    }
}

// Every code of E4M3 by its definition, and rounding against a search among them.
TEST(Blocks, EightBitFloats) {
    const auto value = [](int code) {
        const int exponent = code >> 3 & 15, mantissa = code & 7;
        const double size = exponent ? std::ldexp(8 + mantissa, exponent - 10) : std::ldexp(mantissa, -9);
        return code & 128 ? -size : size;
    };
    for (int code = 0; code < 256; ++code) {
        const float v = f8_e4m3_to_f32(static_cast<uint8_t>(code));
        if ((code & 127) == 127) {
            EXPECT_TRUE(std::isnan(v));
            continue;
        }
        EXPECT_EQ(double{v}, value(code));
        EXPECT_EQ(f32_to_f8_e4m3(v), code);
    }
    Random random(8);
    for (int i = 0; i < 20'000; ++i) {
        const double v = std::exp(4 * random.normal() - 2);
        int best = 0;
        for (int code = 1; code < 127; ++code) {
            const double gain = std::abs(value(best) - v) - std::abs(value(code) - v);
            if (gain > 0 || (gain == 0 && code % 2 == 0)) best = code;
        }
        ASSERT_EQ(f32_to_f8_e4m3(static_cast<float>(v)), best) << v;
    }
    EXPECT_EQ(f32_to_f8_e4m3(1e9f), 0x7E);
    EXPECT_EQ(f32_to_f8_e4m3(-std::numeric_limits<float>::infinity()), 0xFE);
    EXPECT_EQ(f32_to_f8_e4m3(std::numeric_limits<float>::quiet_NaN()) & 0x7F, 0x7F);
}

#if defined(__aarch64__)
using CompilersHalf = __fp16;  // GCC 12 knows _Float16 in C only there
#else
using CompilersHalf = _Float16;
#endif

TEST(Blocks, HalfAndBfloatRoundToNearestEven) {
    // Every half survives the way through float.
    for (uint32_t h = 0; h < 0x10000; ++h) {
        const float f = f16_to_f32(static_cast<uint16_t>(h));
        if (std::isnan(f)) continue;
        ASSERT_EQ(f32_to_f16(f), h);
        ASSERT_EQ(f, static_cast<float>(static_cast<CompilersHalf>(f))) << h;  // the compiler's own half agrees
    }
    Random random(5);
    for (int i = 0; i < 200'000; ++i) {
        const float f = std::bit_cast<float>(static_cast<uint32_t>(random.bits()));
        if (std::isnan(f)) continue;
        ASSERT_EQ(f32_to_f16(f), std::bit_cast<uint16_t>(static_cast<CompilersHalf>(f))) << f;
    }
    EXPECT_EQ(f32_to_bf16(1.00390625f), 0x3F80);  // a tie: to even
    EXPECT_EQ(f32_to_bf16(1.01171875f), 0x3F82);
    EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::numeric_limits<float>::quiet_NaN()))));
    EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7F80);
}

TEST(Blocks, ConvertsWholeTensors) {
    OwnedTensor a(DType::f32, {3, 64}), b(DType::bf16, {3, 64}), c(DType::f32, {3, 64});
    for (int i = 0; i < 192; ++i) a.get().f32()[i] = static_cast<float>(i);  // exact in bf16 up to 256
    convert(a, b);
    convert(b, c);
    EXPECT_EQ(to_floats(a), to_floats(c));
}

TEST(DType, NamesAndIdsAreOneTable) {
    for (int i = 0; i < dtype_count; ++i) {
        const DType dtype = static_cast<DType>(i);
        EXPECT_EQ(info(dtype).dtype, dtype);
        EXPECT_EQ(dtype_from_name(info(dtype).name), dtype);
        if (dtype == DType::f8_e4m3) continue;  // not in GGUF
        EXPECT_EQ(dtype_from_ggml(info(dtype).ggml_type), dtype);
    }
    EXPECT_FALSE(dtype_from_ggml(-1));
    EXPECT_FALSE(dtype_from_ggml(4));
    EXPECT_FALSE(dtype_from_safetensors(""));
}

}  // namespace
}  // namespace gremium
