// Values of blocks with known bytes. The table was worked out by hand from the formats' descriptions; ../shared holds
// random blocks that ggml itself unpacked.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "tensor/quantised/blocks.h"
#include "tests/source_directory.h"

namespace gremium {
namespace {

struct Golden {
    DType dtype;
    int d_at, m_at;  // bytes of the scale, set to 0.5, and of the minimum, set to 0.25; -1: has none
    double sum;
    std::vector<std::pair<size_t, float>> samples;
};

// Byte k = (37·k + 11) mod 256 before the scales are set; MXFP4's exponent is 128.
const Golden goldens[] = {
    {DType::q8_0, 0, -1, -88, {{0, 42.5f}, {1, 61}, {15, -64}, {16, -45.5f}, {17, -27}, {31, -24}}},
    {DType::q4_0, 0, -1, -10.5, {{0, -1.5f}, {1, 1}, {15, -4}, {16, -1.5f}, {17, -0.5f}, {31, 0}}},
    {DType::q4_1, 0, 2, 130.5, {{0, 7.75f}, {1, 2.25f}, {15, 5.25f}, {16, 4.75f}, {17, 6.25f}, {31, 6.25f}}},
    {DType::q5_0, 0, -1, 7.5, {{0, 4.5f}, {1, -1}, {15, -6}, {16, 7}, {17, 0}, {31, 0.5f}}},
    {DType::q5_1, 0, 2, 260.5, {{0, 9.75f}, {1, 12.25f}, {15, 15.25f}, {16, 9.75f}, {17, 2.75f}, {31, 2.75f}}},
    {DType::q2_k,
     80,
     82,
     1029.5,
     {{0, 16.5f},
      {1, 0},
      {15, 11},
      {16, -0.75f},
      {32, 3.75f},
      {63, 3.25f},
      {64, 5.25f},
      {127, 21},
      {128, 3.75f},
      {200, 4},
      {255, 2.25f}}},
    {DType::q3_k,
     108,
     -1,
     479,
     {{0, 40.5f},
      {1, -54},
      {15, -27},
      {16, -48},
      {17, 64},
      {31, 32},
      {32, -11},
      {63, 5},
      {64, 17},
      {127, 36},
      {128, 1},
      {200, 12.5f},
      {255, 21}}},
    {DType::q4_k,
     0,
     2,
     27220,
     {{0, 157.75f},
      {1, -12.75f},
      {15, 80.25f},
      {32, 4},
      {63, 20},
      {64, 210.25f},
      {127, 40.5f},
      {128, 211.5f},
      {200, 69.25f},
      {255, 24.25f}}},
    {DType::q5_k,
     0,
     2,
     58108,
     {{0, 405.75f},
      {1, -12.75f},
      {15, 80.25f},
      {32, 56},
      {63, 40},
      {64, 210.25f},
      {127, -1.5f},
      {128, 523.5f},
      {200, 69.25f},
      {255, 54.25f}}},
    {DType::q6_k,
     208,
     -1,
     2306,
     {{0, -715.5f},
      {1, 848},
      {15, -159},
      {16, -216},
      {17, 256},
      {31, -48},
      {32, 115.5f},
      {63, -290},
      {64, -1520},
      {127, 750},
      {128, -175.5f},
      {200, 544.5f},
      {255, -30}}},
    {DType::iq4_nl, 0, -1, -128.5, {{0, -17.5f}, {1, 12.5f}, {15, -63.5f}, {16, -17.5f}, {17, -5}, {31, 0.5f}}},
    {DType::iq4_xs,
     0,
     -1,
     -5502.5,
     {{0, 32.5f},
      {1, -0.5f},
      {15, -44.5f},
      {17, 17.5f},
      {32, 227.5f},
      {63, -87.5f},
      {64, 390},
      {127, 98},
      {128, -292.5f},
      {200, 570},
      {255, -8}}},
    {DType::mxfp4, -1, -1, 25, {{0, 0}, {1, 6}, {15, -3}, {16, 3}, {17, 6}, {31, 6}}},
};

TEST(Blocks, ValuesOfKnownBytes) {
    for (const Golden& golden : goldens) {
        SCOPED_TRACE(info(golden.dtype).name);
        std::vector<std::byte> bytes(static_cast<size_t>(info(golden.dtype).bytes));
        for (size_t k = 0; k < bytes.size(); ++k) bytes[k] = static_cast<std::byte>((37 * k + 11) % 256);
        const uint16_t half = f32_to_f16(0.5f), quarter = f32_to_f16(0.25f);
        if (golden.d_at >= 0) std::memcpy(bytes.data() + golden.d_at, &half, 2);
        if (golden.m_at >= 0) std::memcpy(bytes.data() + golden.m_at, &quarter, 2);
        if (golden.dtype == DType::mxfp4) bytes[0] = std::byte{128};
        std::vector<float> y(static_cast<size_t>(info(golden.dtype).block));
        dequantise_row(golden.dtype, bytes.data(), y.data(), std::ssize(y));
        double sum = 0;
        for (const float v : y) sum += double{v};
        EXPECT_EQ(sum, golden.sum);
        for (const auto& [at, value] : golden.samples) EXPECT_EQ(y[at], value) << "weight " << at;
    }
}

std::vector<std::byte> from_base64(const std::string& text) {
    const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::vector<std::byte> out;
    uint32_t bits = 0;
    int count = 0;
    for (const char c : text.substr(0, text.find('='))) {
        bits = bits << 6 | static_cast<uint32_t>(digits.find(c));
        if ((count += 6) < 8) continue;
        count -= 8;
        out.push_back(static_cast<std::byte>(bits >> count & 255));
    }
    return out;
}

TEST(Blocks, RandomBlocksEqualGgmlsBits) {
    const char* named = std::getenv("GREMIUM_SHARED");
    const std::filesystem::path shared = named ? named : test::source_directory() / "../shared";
    std::ifstream file(shared / "fixtures/quants/blocks.json");
    if (!file) GTEST_SKIP() << "../shared/fixtures/quants/blocks.json is not here";
    const nlohmann::json types = nlohmann::json::parse(file);
    for (const auto& [type, blocks] : types.items()) {
        SCOPED_TRACE(type);
        std::string name = type;
        for (char& c : name) c = static_cast<char>(std::tolower(c));
        const auto dtype = dtype_from_name(name);
        ASSERT_TRUE(dtype);
        EXPECT_EQ(info(*dtype).bytes, blocks["block_bytes"]);
        EXPECT_EQ(info(*dtype).block, blocks["block_values"]);
        const std::vector<std::byte> bytes = from_base64(blocks["bytes_base64"]);
        const auto values = blocks["values"].get<std::vector<float>>();
        ASSERT_EQ(static_cast<int64_t>(bytes.size()), row_bytes(*dtype, std::ssize(values)));
        std::vector<float> y(values.size());
        dequantise_row(*dtype, bytes.data(), y.data(), std::ssize(y));
        for (size_t i = 0; i < y.size(); ++i)
            ASSERT_EQ(std::bit_cast<uint32_t>(y[i]), std::bit_cast<uint32_t>(values[i])) << "weight " << i;
    }
}

}  // namespace
}  // namespace gremium
