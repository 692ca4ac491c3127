#include "tensor/blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/random.h"
#include "tensor/arena.h"

namespace gremium {
namespace {

// The block of formats.md 2.4: byte k = (37·k + 11) mod 256, then the scale d = 0.5; values worked out there by hand.
std::vector<float> golden_block(DType dtype) {
    std::vector<std::byte> bytes(static_cast<size_t>(info(dtype).bytes));
    for (size_t k = 0; k < bytes.size(); ++k) bytes[k] = static_cast<std::byte>((37 * k + 11) % 256);
    const uint16_t half = f32_to_f16(0.5f);
    std::memcpy(bytes.data(), &half, 2);
    std::vector<float> out(32);
    dequantise_row(dtype, bytes.data(), out.data(), 32);
    return out;
}

TEST(Blocks, Q8_0GoldenValues) {
    const auto y = golden_block(DType::q8_0);
    EXPECT_EQ(y[0], 42.5f);
    EXPECT_EQ(y[1], 61.f);
    EXPECT_EQ(y[15], -64.f);
    EXPECT_EQ(y[16], -45.5f);
    EXPECT_EQ(y[31], -24.f);
}

TEST(Blocks, Q4_0GoldenValues) {
    const auto y = golden_block(DType::q4_0);
    EXPECT_EQ(y[0], -1.5f);
    EXPECT_EQ(y[1], 1.f);
    EXPECT_EQ(y[15], -4.f);
    EXPECT_EQ(y[16], -1.5f);
    EXPECT_EQ(y[31], 0.f);
    double sum = 0;
    for (const float v : y) sum += static_cast<double>(v);
    EXPECT_EQ(sum, -10.5);
}

TEST(Blocks, QuantisersStayWithinHalfAStep) {
    Random random(3);
    std::vector<float> x(32 * 100), y(x.size());
    for (float& v : x) v = static_cast<float>(random.normal());
    for (const auto& [dtype, steps] : {std::pair{DType::q8_0, 127.f}, std::pair{DType::q4_0, 8.f}}) {
        std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(dtype, 3200)));
        quantise_row(dtype, x.data(), bytes.data(), 3200);
        dequantise_row(dtype, bytes.data(), y.data(), 3200);
        for (size_t b = 0; b < 100; ++b) {
            float amax = 0;
            for (size_t j = 0; j < 32; ++j) amax = std::max(amax, std::fabs(x[b * 32 + j]));
            // q4_0 reaches from −8 to 7: on the short side the last value may be off by a whole step.
            const float bound = amax / steps * (dtype == DType::q4_0 ? 1.01f : 0.51f) + amax * 0x1p-10f;
            for (size_t j = 0; j < 32; ++j) ASSERT_NEAR(x[b * 32 + j], y[b * 32 + j], bound);
        }
    }
}

TEST(Blocks, HalfAndBfloatRoundToNearestEven) {
    // Every half survives the way through float.
    for (uint32_t h = 0; h < 0x10000; ++h) {
        const float f = f16_to_f32(static_cast<uint16_t>(h));
        if (std::isnan(f)) continue;
        ASSERT_EQ(f32_to_f16(f), h);
        ASSERT_EQ(f, static_cast<float>(static_cast<_Float16>(f))) << h;  // the compiler's own half agrees
    }
    Random random(5);
    for (int i = 0; i < 200'000; ++i) {
        const float f = std::bit_cast<float>(static_cast<uint32_t>(random.bits()));
        if (std::isnan(f)) continue;
        ASSERT_EQ(f32_to_f16(f), std::bit_cast<uint16_t>(static_cast<_Float16>(f))) << f;
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
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::i32}) {
        EXPECT_EQ(info(dtype).dtype, dtype);
        EXPECT_EQ(dtype_from_name(info(dtype).name), dtype);
        EXPECT_EQ(dtype_from_ggml(info(dtype).ggml_type), dtype);
    }
    EXPECT_FALSE(dtype_from_ggml(4));
    EXPECT_FALSE(dtype_from_safetensors(""));
}

}  // namespace
}  // namespace gremium
