// Weights in two tensors, as gpt-oss and DeepSeek-V3 publish them.
#include "model/scaled_pairs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "formats/hf.h"
#include "tensor/blocks.h"
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
        std::vector<uint64_t> result = shape;
        result.push_back(16);
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

// A safetensors file by hand: our writer has no U8.
struct RawFile {
    nlohmann::ordered_json header;
    std::string bytes;

    void add(const std::string& name, const char* dtype, const nlohmann::ordered_json& shape,
             std::span<const std::byte> data) {
        header[name] = {
            {"dtype", dtype}, {"shape", shape}, {"data_offsets", {bytes.size(), bytes.size() + data.size()}}};
        bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
    }
    void write(const std::filesystem::path& path) const {
        std::string text = header.dump();
        text.resize((text.size() + 7) / 8 * 8, ' ');
        const uint64_t size = text.size();
        std::ofstream file(path, std::ios::binary);
        file.write(reinterpret_cast<const char*>(&size), sizeof(size));
        file << text << bytes;
    }
};

TEST(ScaledPairs, GptOssAsPublished) {
    const auto directory =
        std::filesystem::temp_directory_path() / ("gremium-scaled-pairs-" + std::to_string(getpid()));
    const ModelSpec spec = tiny_spec("gptoss", {.layers = 1, .experts = 2, .top_k = 1, .expert_hidden = 32});
    save_model(*tiny_model(spec, tiny_tensors(spec)), directory, {.container = Container::hugging_face});
    const Pair gate_up({2, 64, 1}, 2), down({2, 32, 1}, 3);
    RawFile file;
    {
        const HfModel model = open_hf(directory);
        const std::string experts = "model.layers.0.mlp.experts.";
        for (const TensorEntry& t : model.tensors) {
            if (t.name == experts + "gate_up_proj" || t.name == experts + "down_proj") continue;
            nlohmann::ordered_json shape = nlohmann::ordered_json::array();
            for (int i = 0; i < t.view.shape.rank; ++i) shape.push_back(t.view.shape[i]);
            file.add(t.name, "F32", shape, {t.view.data, static_cast<size_t>(t.view.bytes())});
        }
        for (const auto& [name, pair] :
             {std::pair("gate_up_proj", &gate_up), std::pair("down_proj", &down)}) {
            file.add(experts + name + "_blocks", "U8", pair->shape_of_blocks(), pair->blocks);
            file.add(experts + name + "_scales", "U8", pair->shape, pair->scales);
        }
    }
    file.write(directory / "model.safetensors");
    const auto model = load_model(directory);
    for (int e = 0; e < 2; ++e) {
        const moe::ExpertWeights& w = model->experts->peek({0, e});
        EXPECT_EQ(w.gate.value.dtype, DType::mxfp4);
        const std::vector<float> gate = to_floats(w.gate.value), up = to_floats(w.up.value),
                                 out = to_floats(w.down.value);
        for (size_t row = 0; row < 32; ++row)
            for (size_t i = 0; i < 32; ++i) {
                const size_t of_expert = static_cast<size_t>(e) * 64;
                EXPECT_EQ(gate[row * 32 + i], gate_up.weight((of_expert + 2 * row) * 32 + i));
                EXPECT_EQ(up[row * 32 + i], gate_up.weight((of_expert + 2 * row + 1) * 32 + i));
                EXPECT_EQ(out[row * 32 + i], down.weight((of_expert / 2 + row) * 32 + i));
            }
    }
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace gremium::test
