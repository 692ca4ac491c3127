// Switch Transformers and NLLB-MoE against a float64 forward in Python, which also writes the tiny models.
#include <gtest/gtest.h>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "kernels/simd/variant.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "model/layers/attention/relative_bias.h"
#include "tests/model/fixtures.h"
#include "tests/source_directory.h"

namespace gremium {
namespace {

class EncoderDecoder : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        const std::string command =
            "python3 " + (test::source_directory() / "tests/model/encoder_decoder.py ").string() + directory();
        written_ = std::system(command.c_str()) == 0;
    }
    static void TearDownTestSuite() { std::filesystem::remove_all(directory()); }
    void SetUp() override {
        if (!written_) GTEST_SKIP() << "there is no python3 to write the models";
    }
    void TearDown() override { kernels::force(usual_); }

    static std::string directory() {
        return std::filesystem::temp_directory_path() / ("gremium-encoder-decoder-" + std::to_string(getpid()));
    }
    static std::string path(const std::string& name) { return directory() + "/" + name; }

    // The largest difference from the golden, the tokens given `step` at a time.
    static double difference(const std::shared_ptr<const Model>& model, const std::string& name, size_t step) {
        const nlohmann::json golden = nlohmann::json::parse(read_text_file(path(name) + "/golden.json"));
        const auto source = golden["source"].get<std::vector<int32_t>>(),
                   tokens = golden["tokens"].get<std::vector<int32_t>>();
        engine::Session session(model);
        session.encode(source);
        double most = 0;
        for (size_t begin = 0; begin < tokens.size(); begin += step)
            session.evaluate_all(std::span(tokens).subspan(begin, std::min(step, tokens.size() - begin)),
                                 [&](int64_t position, std::span<const float> logits) {
                                     const auto expected = golden["logprobs"][static_cast<size_t>(position)];
                                     const std::vector<double> actual = log_softmax(logits);
                                     for (size_t i = 0; i < actual.size(); ++i)
                                         most = std::max(most, std::abs(actual[i] - expected[i].get<double>()));
                                 });
        return most;
    }

    static bool written_;
    kernels::Variant usual_ = kernels::active();
};
bool EncoderDecoder::written_ = false;

// The whole at once: an expert's capacity is that of one call.
TEST_F(EncoderDecoder, SwitchAgrees) {
    const auto model = load_model(path("switch"));
    for (const kernels::Variant variant : kernels::available_variants()) {
        kernels::force(variant);
        EXPECT_LE(difference(model, "switch", 1000), 1e-4) << kernels::name(variant);
    }
}

TEST_F(EncoderDecoder, NllbAgrees) {
    const auto model = load_model(path("nllb"));
    for (const kernels::Variant variant : kernels::available_variants()) {
        kernels::force(variant);
        for (const size_t step : {1000, 5, 1})
            EXPECT_LE(difference(model, "nllb", step), 1e-4) << kernels::name(variant) << ", " << step;
    }
}

TEST_F(EncoderDecoder, WrittenAndReadBack) {
    for (const std::string name : {"switch", "nllb"}) {
        const auto model = load_model(path(name));
        save_model(*model, path(name + "-again"), {.container = Container::hugging_face});
        EXPECT_EQ(load_model(path(name + "-again"))->spec, model->spec);
        std::filesystem::copy(path(name + "/golden.json"), path(name + "-again/golden.json"));
        EXPECT_LE(difference(load_model(path(name + "-again")), name + "-again", 1000), 1e-4);
        EXPECT_THROW(save_model(*model, path(name + ".gguf")), Error);
    }
}

TEST_F(EncoderDecoder, AnotherSourceForgetsTheFirst) {
    const auto model = load_model(path("nllb"));
    const std::vector<int32_t> one{3, 4, 5}, other{6, 7}, tokens{2, 9, 8};
    engine::Session fresh(model), used(model);
    fresh.encode(other);
    const std::span<const float> expected = fresh.evaluate(tokens);
    used.encode(one);
    used.evaluate(tokens);
    used.encode(other);
    const std::span<const float> actual = used.evaluate(tokens);
    EXPECT_TRUE(std::ranges::equal(expected, actual));
}

TEST_F(EncoderDecoder, ASourceIsWanted) {
    engine::Session session(load_model(path("switch")));
    EXPECT_THROW(session.evaluate(std::vector<int32_t>{0}), Error);
}

// The buckets of transformers' T5 with 32 of them up to a distance of 128.
TEST(RelativeBuckets, AreT5s) {
    const RelativeBiasSpec spec{.buckets = 32, .max_distance = 128};
    const std::pair<int, int> both_ways[] = {{-128, 15}, {-20, 10}, {-8, 8},  {-1, 1},  {0, 0},   {1, 17},
                                             {8, 24},    {12, 25},  {16, 26}, {64, 30}, {128, 31}};
    for (const auto& [distance, bucket] : both_ways) EXPECT_EQ(bucket_of(distance, spec, false), bucket) << distance;
    const std::pair<int, int> causal[] = {{-16, 16}, {-32, 21}, {-64, 26}, {-128, 31}, {0, 0}, {5, 0}};
    for (const auto& [distance, bucket] : causal) EXPECT_EQ(bucket_of(distance, spec, true), bucket) << distance;
}

}  // namespace
}  // namespace gremium
