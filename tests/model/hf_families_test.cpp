// Every family from the files that transformers would have saved: their tensors are those we write, and the model is
// the one that they describe.
#include <gtest/gtest.h>

#include <unistd.h>

#include "base/error.h"
#include "formats/hugging_face/hf.h"
#include "kernels/simd/variant.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "tensor/float_formats.h"
#include "tests/model/fixtures.h"
#include "tests/model/hf_layout.h"

namespace gremium::test {
namespace {

using Rows = std::vector<std::vector<double>>;

Rows outputs(std::shared_ptr<const Model> model) {
    const auto tokens = random_tokens(model->spec.vocab, 16);
    return all_logprobs(std::move(model), tokens);
}

void expect_near(const Rows& a, const Rows& b, double tolerance) {
    ASSERT_EQ(a.size(), b.size());
    double worst = 0;
    for (size_t t = 0; t < a.size(); ++t)
        for (size_t i = 0; i < a[t].size(); ++i) worst = std::max(worst, std::abs(a[t][i] - b[t][i]));
    EXPECT_LT(worst, tolerance);
}

float f32_at(const RawTensor& t, size_t i) {
    float value;
    std::memcpy(&value, t.bytes.data() + 4 * i, 4);
    return value;
}
size_t count_of(const RawTensor& t) { return t.bytes.size() / (t.dtype == "F32" ? 4 : 1); }

// The same numbers rounded to bf16, in two bytes or in four.
RawTensor rounded(const RawTensor& t, bool as_bf16) {
    RawTensor result{as_bf16 ? "BF16" : "F32", t.shape, {}};
    for (size_t i = 0; i < count_of(t); ++i) {
        const uint16_t bits = f32_to_bf16(f32_at(t, i));
        const float value = std::bit_cast<float>(uint32_t{bits} << 16);
        if (as_bf16)
            result.bytes.append(reinterpret_cast<const char*>(&bits), 2);
        else
            result.bytes.append(reinterpret_cast<const char*>(&value), 4);
    }
    return result;
}

class HfFamilies : public testing::TestWithParam<std::string> {
  protected:
    void TearDown() override {
        std::filesystem::remove_all(directory_);
        kernels::force(usual_);
    }
    std::filesystem::path path(const std::string& name) const { return directory_ / name; }
    std::shared_ptr<const Model> loaded(const Json& config, const RawTensors& tensors, size_t shards = 1) const {
        write_hf(path("hf"), config, tensors, shards);
        return load_model(path("hf"));
    }

    kernels::Variant usual_ = kernels::active();
    std::filesystem::path directory_ =
        std::filesystem::temp_directory_path() / ("gremium-hf-families-" + std::to_string(getpid()));
};

TEST_P(HfFamilies, AreReadFromOneFileAndFromShards) {
    const ModelSpec spec = tiny_spec(GetParam());
    const auto tensors = tiny_tensors(spec);
    const auto model = tiny_model(spec, tensors);
    const HfLayout layout(spec, *tensors);
    const auto read = loaded(layout.config(), layout.tensors());
    ModelSpec named = read->spec;
    named.name = spec.name;
    EXPECT_EQ(named, spec);
    EXPECT_EQ(outputs(read), outputs(model));
    EXPECT_EQ(outputs(loaded(layout.config(), layout.tensors(), 3)), outputs(model));

    save_model(*read, path("model.gguf"));
    expect_near(outputs(load_model(path("model.gguf"))), outputs(model), 5e-5);
}

TEST_P(HfFamilies, AreWrittenAsTransformersDoes) {
    const ModelSpec spec = tiny_spec(GetParam());
    const auto tensors = tiny_tensors(spec);
    const HfLayout layout(spec, *tensors);
    save_model(*tiny_model(spec, tensors), path("hf"), {.container = Container::hugging_face});
    const HfModel ours = open_hf(path("hf"));
    RawTensors written;
    for (const TensorEntry& t : ours.tensors) {
        std::vector<int64_t> shape(t.view.shape.dim.begin(), t.view.shape.dim.begin() + t.view.shape.rank);
        written[t.name] = {std::string(info(t.view.dtype).safetensors),
                           shape,
                           {reinterpret_cast<const char*>(t.view.data), static_cast<size_t>(t.view.bytes())}};
    }
    for (const auto& [name, tensor] : layout.tensors()) {
        ASSERT_TRUE(written.contains(name)) << name;
        EXPECT_EQ(written.at(name).shape, tensor.shape) << name;
        EXPECT_TRUE(written.at(name) == tensor) << name;
    }
    EXPECT_EQ(written.size(), layout.tensors().size());
    // Where both say something, it is the same.
    const auto& config = ours.config.object();
    const Json published = layout.config();
    for (const auto& [key, value] : published.items()) {
        if (key == "architectures" || key == "transformers_version" || !config.contains(key)) continue;
        if (value.is_object() || value.is_array() || key == "attn_temperature_tuning") continue;
        if (value.is_number())
            EXPECT_FLOAT_EQ(config.at(key).get<float>(), value.get<float>()) << key;
        else
            EXPECT_EQ(config.at(key), nlohmann::json(value)) << key;
    }
    ASSERT_TRUE(ours.generation_config);
    EXPECT_EQ(ours.generation_config->require<int32_t>("bos_token_id"), 1);
    EXPECT_EQ(ours.generation_config->require<std::vector<int32_t>>("eos_token_id"), std::vector{2});

    save_model(*tiny_model(spec, tensors), path("sharded"),
               {.container = Container::hugging_face, .shard_bytes = 20'000});
    EXPECT_TRUE(std::filesystem::exists(path("sharded") / "model.safetensors.index.json"));
    EXPECT_EQ(outputs(load_model(path("sharded"))), outputs(load_model(path("hf"))));
}

// As they are published; whatever order experts come in, they stay in two bytes.
TEST_P(HfFamilies, InBf16) {
    const ModelSpec spec = tiny_spec(GetParam());
    const auto tensors = tiny_tensors(spec);
    const HfLayout layout(spec, *tensors);
    RawTensors narrow, wide;
    for (const auto& [name, tensor] : layout.tensors()) {
        narrow[name] = rounded(tensor, true);
        wide[name] = rounded(tensor, false);
    }
    const auto model = loaded(layout.config(), narrow);
    for (const auto matrix : {&moe::ExpertWeights::gate, &moe::ExpertWeights::up, &moe::ExpertWeights::down})
        if (model->experts) {
            EXPECT_EQ((model->experts->peek({1, 1}).*matrix).value.dtype, DType::bf16);
        }
    const Rows actual = outputs(model);
    expect_near(actual, outputs(loaded(layout.config(), wide)), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(All, HfFamilies, testing::ValuesIn(written_families()),
                         [](const auto& test) { return test.param; });

class HfQuantised : public HfFamilies {};
INSTANTIATE_TEST_SUITE_P(Once, HfQuantised, testing::Values("deepseek_v3_and_gpt_oss"));

// E4M3 (OCP 8-bit floating point): 4 bits of exponent with bias 7, 3 of mantissa.
float e4m3(uint8_t code) {
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    const float value = exponent ? std::ldexp(1 + static_cast<float>(mantissa) / 8, exponent - 7)
                                 : std::ldexp(static_cast<float>(mantissa), -9);
    return code & 128 ? -value : value;
}

// DeepSeek-V3 as published: linear layers but the router in FP8, 128×128 numbers to a scale.
TEST_P(HfQuantised, Fp8) {
    const ModelSpec spec = tiny_spec("deepseek2", {.layers = 2, .dim = 160, .expert_hidden = 136});
    const auto tensors = tiny_tensors(spec);
    const HfLayout layout(spec, *tensors);
    RawTensors published, plain = layout.tensors();
    Random random(7);
    for (auto& [name, tensor] : plain) {
        if (!name.ends_with("_proj.weight") && !name.ends_with("_mqa.weight")) {
            published[name] = tensor;
            continue;
        }
        const int64_t rows = tensor.shape[0], cols = tensor.shape[1], across = (cols + 127) / 128;
        std::vector<float> scales;
        for (int64_t i = 0; i < (rows + 127) / 128 * across; ++i)
            scales.push_back(static_cast<float>((0.5 + random.uniform()) / std::sqrt(cols)));
        RawTensor codes{"F8_E4M3", tensor.shape, {}};
        std::vector<float> values;
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t c = 0; c < cols; ++c) {
                const auto code = static_cast<uint8_t>(random.below(64) | random.below(2) << 7);
                codes.bytes.push_back(static_cast<char>(code));
                values.push_back(e4m3(code) * scales[static_cast<size_t>(r / 128 * across + c / 128)]);
            }
        published[name] = codes;
        published[name + "_scale_inv"] = raw_f32({(rows + 127) / 128, across}, scales);
        tensor = rounded(raw_f32(tensor.shape, values), false);
    }
    Json config = layout.config();
    config["quantization_config"] = {
        {"activation_scheme", "dynamic"}, {"fmt", "e4m3"}, {"quant_method", "fp8"}, {"weight_block_size", {128, 128}}};
    const auto model = loaded(config, published);
    EXPECT_EQ(model->experts->peek({1, 3}).down.value.dtype, DType::bf16);
    EXPECT_TRUE(model->experts->source({1, 3}).empty());
    const Rows actual = outputs(model);
    expect_near(actual, outputs(loaded(layout.config(), plain)), 1e-4);
}

// gpt-oss as published: experts in MXFP4, two tensors of rows that lie as GGUF has them.
TEST_P(HfQuantised, Mxfp4) {
    kernels::force(kernels::Variant::reference);
    const ModelSpec spec = tiny_spec("gptoss", {.layers = 2, .dim = 64, .expert_hidden = 32});
    const auto tensors = tiny_tensors(spec);
    const HfLayout layout(spec, *tensors);
    RawTensors published, plain = layout.tensors();
    Random random(8);
    for (auto& [name, tensor] : plain) {
        if (!name.ends_with("gate_up_proj") && !name.ends_with("down_proj")) {
            published[name] = tensor;
            continue;
        }
        // [experts, in, out] here.
        const int64_t experts = tensor.shape[0], in = tensor.shape[1], out = tensor.shape[2];
        RawTensor blocks{"U8", {experts, out, in / 32, 16}, {}}, scales{"U8", {experts, out, in / 32}, {}};
        std::vector<float> values(static_cast<size_t>(experts * in * out));
        constexpr float e2m1[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
        for (int64_t row = 0; row < experts * out; ++row)
            for (int64_t block = 0; block < in / 32; ++block) {
                const auto exponent = static_cast<int>(122 + random.below(4));
                scales.bytes.push_back(static_cast<char>(exponent));
                for (int64_t pair = 0; pair < 16; ++pair) {
                    const auto byte = static_cast<uint8_t>(random.below(256));
                    blocks.bytes.push_back(static_cast<char>(byte));
                    for (const int64_t i : {0, 1}) {
                        const int code = byte >> (4 * i) & 15;
                        const int64_t k = block * 32 + 2 * pair + i;
                        values[static_cast<size_t>((row / out * in + k) * out + row % out)] =
                            std::ldexp(code & 8 ? -e2m1[code & 7] : e2m1[code & 7], exponent - 127);
                    }
                }
            }
        published[name + "_blocks"] = blocks;
        published[name + "_scales"] = scales;
        tensor = raw_f32(tensor.shape, values);
    }
    Json config = layout.config();
    config["quantization_config"] = {{"quant_method", "mxfp4"}};
    const auto model = loaded(config, published);
    EXPECT_EQ(model->experts->peek({1, 3}).gate.value.dtype, DType::mxfp4);
    EXPECT_TRUE(model->experts->source({1, 3}).empty());
    const Rows actual = outputs(model);
    expect_near(actual, outputs(loaded(layout.config(), plain)), 1e-4);

    published.begin()->second.dtype = "I64";  // lm_head or embedding: no weights
    published.begin()->second.shape.back() /= 2;
    write_hf(path("hf"), config, published);
    try {
        load_model(path("hf"));
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("I64 and 2 dimensions, supported are F32, F16, BF16"),
                  std::string::npos)
            << error.what();
    }
}

}  // namespace
}  // namespace gremium::test
