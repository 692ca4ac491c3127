// Weights in two tensors, as gpt-oss and DeepSeek-V3 publish them.
#include "model/files/join_scales.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "tensor/quantised/blocks.h"
#include "tests/model/tiny_model.h"

namespace gremium::test {
namespace {

// OCP microscaling: the values of E2M1's eight magnitudes.
float e2m1(uint8_t code) {
    constexpr float magnitude[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    return (code & 8 ? -1.0f : 1.0f) * magnitude[code & 7];
}

struct Pair {
    std::vector<uint64_t> shape;  // of the scales
    std::vector<std::byte> blocks, scales;

    Pair(std::vector<uint64_t> of_scales, uint64_t seed) : shape(std::move(of_scales)) {
        Random random(seed);
        uint64_t count = 1;
        for (const uint64_t dim : shape) count *= dim;
        for (uint64_t i = 0; i < count; ++i) scales.push_back(static_cast<std::byte>(120 + random.below(10)));
        for (uint64_t i = 0; i < 16 * count; ++i) blocks.push_back(static_cast<std::byte>(random.below(256)));
    }
    std::vector<uint64_t> shape_of_blocks() const {
        std::vector<uint64_t> result(shape.size() + 1, 16);
        std::ranges::copy(shape, result.begin());
        return result;
    }
    // Weight i of all, as the model's card describes them.
    float weight(size_t i) const {
        const auto byte = static_cast<uint8_t>(blocks[i / 2]);
        const auto code = static_cast<uint8_t>(i % 2 == 0 ? byte & 15 : byte >> 4);
        return std::ldexp(e2m1(code), static_cast<int>(scales[i / 32]) - 127);
    }
};

TEST(ScaledPairs, Mxfp4) {
    const Pair pair({2, 3, 2}, 1);
    const OwnedTensor joined = join_mxfp4({"w_blocks", "U8", pair.shape_of_blocks(), pair.blocks},
                                          {"w_scales", "U8", pair.shape, pair.scales}, "file");
    EXPECT_EQ(joined.get().shape, (Shape{2, 3, 64}));
    const std::vector<float> values = to_floats(joined);
    for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], pair.weight(i)) << i;
    EXPECT_THROW(join_mxfp4({"w_blocks", "U8", pair.shape_of_blocks(), pair.blocks},
                            {"w_scales", "U8", {2, 3, 1}, pair.scales}, "file"),
                 Error);
}

TEST(ScaledPairs, Fp8) {
    // 1, −2.5, 448, 2⁻⁹ in E4M3.
    std::vector<uint8_t> codes(130 * 129, 0x38);
    codes[1] = 0xC2, codes[128] = 0x7E, codes[129 * 129] = 0x01;
    const TensorView weights{reinterpret_cast<const std::byte*>(codes.data()), DType::f8_e4m3, {130, 129}};
    const std::vector<float> scales{2, 0.5f, 4, 8};
    const OwnedTensor scaled = scale_f8(weights, as_tensor(scales.data(), {2, 2}), "w", "file");
    const std::vector<float> values = to_floats(scaled);
    EXPECT_EQ(values[0], 2);
    EXPECT_EQ(values[1], -5);
    EXPECT_EQ(values[128], 224);
    EXPECT_EQ(values[129], 2);
    EXPECT_EQ(values[129 * 129], 4 * 0x1p-9f);
    EXPECT_EQ(values[129 * 129 + 128], 8);
    EXPECT_THROW(scale_f8(weights, as_tensor(scales.data(), {4, 1}), "w", "file"), Error);

    // The same scales in other float types; one for all; of other blocks; of rows; and of a stack's matrices.
    for (const DType dtype : {DType::bf16, DType::f16}) {
        const OwnedTensor narrow(dtype, {2, 2});
        convert(as_tensor(scales.data(), {2, 2}), narrow);
        EXPECT_EQ(to_floats(scale_f8(weights, narrow, "w", "file")), values);
    }
    EXPECT_EQ(to_floats(scale_f8(weights, as_tensor(scales.data(), {1}), "w", "file"))[1], -5);
    const std::vector<float> of_blocks(3 * 129, 4);
    EXPECT_EQ(to_floats(scale_f8(weights, as_tensor(of_blocks.data(), {3, 129}), "w", "file", {64, 1}))[1], -10);
    std::vector<float> of_rows(130, 1);
    of_rows[1] = 3;
    EXPECT_EQ(to_floats(scale_f8(weights, as_tensor(of_rows.data(), {130, 1}), "w", "file"))[129], 3);
    const TensorView stack{weights.data, DType::f8_e4m3, {2, 65, 129}};
    EXPECT_EQ(to_floats(scale_f8(stack, as_tensor(scales.data(), {2, 1, 1}), "w", "file"))[65 * 129], 0.5f);
    codes[7] = 0x7F;  // not a number
    EXPECT_THROW(scale_f8(weights, as_tensor(scales.data(), {2, 2}), "w", "file"), Error);
}

// Powers of two in a byte, and numbers of 64 bits.
TEST(ScaledPairs, OpaqueTypesAsF32) {
    const std::vector<uint8_t> powers{127, 130, 120};
    const OpaqueEntry e8m0{"s", "F8_E8M0", {3}, std::as_bytes(std::span(powers))};
    EXPECT_EQ(to_floats(opaque_as_f32(e8m0, "file")), (std::vector<float>{1, 8, 0x1p-7f}));
    const std::vector<double> wide{1.5, -2};
    const OpaqueEntry f64{"w", "F64", {1, 2}, std::as_bytes(std::span(wide))};
    EXPECT_EQ(to_floats(opaque_as_f32(f64, "file")), (std::vector<float>{1.5f, -2}));
    const std::vector<double> large{1e300, 0};
    EXPECT_THROW(opaque_as_f32({"w", "F64", {1, 2}, std::as_bytes(std::span(large))}, "file"), Error);
    EXPECT_THROW(opaque_as_f32({"w", "I64", {1, 2}, std::as_bytes(std::span(wide))}, "file"), Error);
}

}  // namespace
}  // namespace gremium::test
