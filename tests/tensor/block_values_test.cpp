// Values of blocks with known bytes. The table was worked out by hand from the formats' descriptions; ../shared holds
// random blocks that ggml itself unpacked.
#include <gtest/gtest.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <bit>
#include <cmath>
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
    {DType::iq1_s,
     0,
     -1,
     10,
     {{0, -1.3125f}, {1, 0.1875f}, {31, 1.6875f}, {32, 0.8125f}, {63, -5.6875f}, {255, -2.1875f}}},
    {DType::iq1_m,
     -1,
     -1,
     20.5,
     {{0, -0.4375f}, {1, 3.0625f}, {8, -3.9375f}, {127, -6.1875f}, {200, 0.1875f}, {255, -0.9375f}}},
    {DType::iq2_xxs,
     0,
     -1,
     381.875,
     {{0, -29.5625f}, {1, 29.5625f}, {63, -45.6875f}, {128, -48.4375f}, {255, -40.3125f}}},
    {DType::iq2_xs, 0, -1, 745.25, {{0, -5.5f}, {1, 17.1875f}, {31, -9.5f}, {127, -0.5f}, {200, 3.5f}, {255, -9.5f}}},
    {DType::iq2_s, 0, -1, -400.3125, {{0, -72.5625f}, {1, 42.1875f}, {32, -2.5f}, {128, -4.6875f}, {255, 39.0625f}}},
    {DType::iq3_xxs, 0, -1, -342, {{0, -6.5f}, {1, 4.5f}, {32, -28.5f}, {127, -137.5f}, {200, 22.5f}, {255, -7.5f}}},
    {DType::iq3_s, 0, -1, 728, {{0, -40.5f}, {1, 121.5f}, {32, -16.5f}, {127, -42.5f}, {200, 137.5f}, {255, 112.5f}}},
    {DType::tq1_0, 52, -1, -1, {{0, -0.5f}, {31, 0}, {32, -0.5f}, {127, -0.5f}, {200, 0}, {255, -0.5f}}},
    {DType::tq2_0, 64, -1, 64.5, {{0, 1}, {1, -0.5f}, {31, 0.5f}, {63, 0}, {128, 1}, {255, -0.5f}}},
    {DType::nvfp4, -1, -1, 1541.37109375, {{0, -0.12890625f}, {7, 0.021484375f}, {31, -1}, {32, -78}, {63, 160}}},
    {DType::q1_0, 0, -1, 0, {{0, 0.5f}, {1, -0.5f}, {31, 0.5f}, {63, -0.5f}, {127, 0.5f}}},
    {DType::q2_0, 0, -1, 15, {{0, 0}, {8, 1}, {31, 0}, {63, 0.5f}}},
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
        if (golden.dtype == DType::iq1_m) {  // 0.5, a nibble in each of the last words
            for (size_t i = 0; i < 4; ++i) {
                const uint32_t nibble = static_cast<uint32_t>(half >> 4 * i & 15) << 4;
                bytes[49 + 2 * i] = static_cast<std::byte>(nibble | (static_cast<uint32_t>(bytes[49 + 2 * i]) & 15));
            }
        }
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

std::filesystem::path shared_quants() {
    const char* named = std::getenv("GREMIUM_SHARED");
    return std::filesystem::path(named ? named : test::source_directory() / "../shared") / "fixtures/quants";
}

DType type_named(std::string name) {
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    return dtype_from_name(name).value();
}

void expect_ggmls_bits(const std::filesystem::path& path) {
    std::ifstream file(path);
    const nlohmann::json types = nlohmann::json::parse(file);
    for (const auto& [type, blocks] : types.items()) {
        SCOPED_TRACE(type);
        const DType dtype = type_named(type);
        EXPECT_EQ(info(dtype).bytes, blocks["block_bytes"]);
        EXPECT_EQ(info(dtype).block, blocks["block_values"]);
        const std::vector<std::byte> bytes = from_base64(blocks["bytes_base64"]);
        const auto values = blocks["values"].get<std::vector<float>>();
        ASSERT_EQ(static_cast<int64_t>(bytes.size()), row_bytes(dtype, std::ssize(values)));
        std::vector<float> y(values.size());
        dequantise_row(dtype, bytes.data(), y.data(), std::ssize(y));
        for (size_t i = 0; i < y.size(); ++i)
            ASSERT_EQ(std::bit_cast<uint32_t>(y[i]), std::bit_cast<uint32_t>(values[i])) << "weight " << i;
    }
}

TEST(Blocks, RandomBlocksEqualGgmlsBits) {
    const std::filesystem::path path = shared_quants() / "blocks.json";
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path.string() << " is not here";
    expect_ggmls_bits(path);
}

TEST(Blocks, RandomBlocksOfLowBitsEqualGgmlsBits) {
    const std::filesystem::path path = shared_quants() / "blocks_lowbit.json";
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path.string() << " is not here";
    expect_ggmls_bits(path);
}

// FIPS 180-4.
std::string sha256(std::vector<uint8_t> bytes) {
    const auto fraction = [](double root) { return static_cast<uint32_t>((root - std::floor(root)) * 0x1p32); };
    std::vector<uint32_t> k, h;
    for (int n = 2; k.size() < 64; ++n) {
        bool prime = true;
        for (int i = 2; i * i <= n; ++i) prime &= n % i != 0;
        if (!prime) continue;
        if (h.size() < 8) h.push_back(fraction(std::sqrt(n)));
        k.push_back(fraction(std::cbrt(n)));
    }
    const uint64_t bits = 8 * bytes.size();
    bytes.push_back(0x80);
    while (bytes.size() % 64 != 56) bytes.push_back(0);
    for (int i = 7; i >= 0; --i) bytes.push_back(static_cast<uint8_t>(bits >> 8 * i));
    for (size_t at = 0; at < bytes.size(); at += 64) {
        uint32_t w[64];
        for (size_t i = 0; i < 16; ++i) {
            w[i] = 0;
            for (size_t j = 0; j < 4; ++j) w[i] = w[i] << 8 | bytes[at + 4 * i + j];
        }
        const auto mix = [](uint32_t v, int a, int b) { return std::rotr(v, a) ^ std::rotr(v, b); };
        for (size_t i = 16; i < 64; ++i)
            w[i] = w[i - 16] + (mix(w[i - 15], 7, 18) ^ w[i - 15] >> 3) + w[i - 7] +
                   (mix(w[i - 2], 17, 19) ^ w[i - 2] >> 10);
        std::vector<uint32_t> s = h;
        for (size_t i = 0; i < 64; ++i) {
            const uint32_t one =
                s[7] + (mix(s[4], 6, 11) ^ std::rotr(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
            const uint32_t two =
                (mix(s[0], 2, 13) ^ std::rotr(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
            s = {one + two, s[0], s[1], s[2], s[3] + one, s[4], s[5], s[6]};
        }
        for (size_t i = 0; i < 8; ++i) h[i] += s[i];
    }
    std::string text;
    for (const uint32_t word : h) text += fmt::format("{:08x}", word);
    return text;
}

// Every entry of the codebooks, every sign and every scale.
TEST(Blocks, EveryCodeOfLowBitsIsGgmls) {
    EXPECT_EQ(sha256({'a', 'b', 'c'}), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    std::ifstream file(shared_quants() / "blocks_lowbit.json");
    if (!file) GTEST_SKIP() << "../shared/fixtures/quants/blocks_lowbit.json is not here";
    const nlohmann::json types = nlohmann::json::parse(file);
    for (const auto& [type, blocks] : types.items()) {
        const nlohmann::json& cover = blocks["cover"];
        const std::vector<std::byte> bytes = from_base64(cover["bytes_base64"]);
        std::vector<float> y(cover["blocks"].get<size_t>() * blocks["block_values"].get<size_t>());
        dequantise_row(type_named(type), bytes.data(), y.data(), std::ssize(y));
        std::vector<uint8_t> raw(4 * y.size());
        std::memcpy(raw.data(), y.data(), raw.size());
        EXPECT_EQ(sha256(std::move(raw)), cover["values_f32le_sha256"]) << type;
    }
}

std::vector<float> floats_of(const std::filesystem::path& path) {
    std::vector<float> values(std::filesystem::file_size(path) / sizeof(float));
    std::ifstream(path, std::ios::binary)
        .read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
    return values;
}

// Relative errors of the quantisers of llama.cpp v0.5.0 on these rows: without importance and, weighted, with it.
TEST(Blocks, LowBitsAreWrittenAtLeastAsWellAsByGgml) {
    struct Errors {
        DType dtype;
        double normal, normal_weighted, heavy, heavy_weighted;
    };
    constexpr Errors errors[] = {
        {DType::iq1_s, 0.48649, 0.43837, 0.61229, 0.55982},   {DType::iq1_m, 0.45309, 0.38699, 0.50608, 0.44372},
        {DType::iq2_xxs, 0.34357, 0.29867, 0.47086, 0.41329}, {DType::iq2_xs, 0.30032, 0.26124, 0.38438, 0.33937},
        {DType::iq2_s, 0.25006, 0.22666, 0.35447, 0.31525},   {DType::iq3_xxs, 0.18212, 0.15289, 0.22017, 0.19261},
        {DType::iq3_s, 0.13720, 0.12025, 0.17718, 0.16202},   {DType::tq1_0, 0.80947, 0.80327, 0.80762, 0.80985},
        {DType::tq2_0, 0.80947, 0.80327, 0.80762, 0.80985},   {DType::nvfp4, 0.09618, 0.09507, 0.09192, 0.09182},
        {DType::q1_0, 0.60251, 0.60762, 0.75222, 0.75190},    {DType::q2_0, 0.72104, 0.71794, 0.70118, 0.69667}};
    if (!std::filesystem::exists(shared_quants() / "rows_normal.f32"))
        GTEST_SKIP() << "../shared/fixtures/quants/rows_normal.f32 is not here";
    const std::vector<float> importance = floats_of(shared_quants() / "rows_importance.f32");
    for (const char* name : {"rows_normal.f32", "rows_heavy.f32"}) {
        const std::vector<float> x = floats_of(shared_quants() / name);
        const int64_t cols = std::ssize(importance), rows = std::ssize(x) / cols;
        const auto error = [&](DType dtype, bool weighted) {
            std::vector<float> y(x.size());
            std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(dtype, std::ssize(x))));
            const Tensor quantised{bytes.data(), dtype, {rows, cols}};
            convert(as_tensor(x.data(), {rows, cols}), quantised,
                    weighted ? std::span<const float>(importance) : std::span<const float>());
            convert(quantised, as_tensor(y.data(), {rows, cols}));
            double off = 0, all = 0;
            for (size_t i = 0; i < x.size(); ++i) {
                const double w = weighted ? double{importance[i % importance.size()]} : 1;
                off += w * (double{x[i]} - double{y[i]}) * (double{x[i]} - double{y[i]});
                all += w * double{x[i]} * double{x[i]};
            }
            return std::sqrt(off / all);
        };
        const bool normal = std::string_view(name) == "rows_normal.f32";
        for (const Errors& e : errors) {
            const double plain = error(e.dtype, false), weighted = error(e.dtype, true);
            fmt::print("{} {}: {:.4f}, weighted {:.4f}\n", info(e.dtype).name, name, plain, weighted);
            EXPECT_LE(plain, 1.02 * (normal ? e.normal : e.heavy));
            EXPECT_LE(weighted, 1.02 * (normal ? e.normal_weighted : e.heavy_weighted));
        }
    }
}

}  // namespace
}  // namespace gremium
