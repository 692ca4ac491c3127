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
}

}  // namespace
}  // namespace gremium::test
