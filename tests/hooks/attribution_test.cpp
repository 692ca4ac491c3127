// Attributions: the parts sum to the difference of logits in every family, and single parts are what they are said to
// be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/session.h"
#include "hooks/attribution.h"
#include "model/files/load.h"
#include "tests/model/tiny_model.h"
#include "tests/source_directory.h"

namespace gremium::hooks {
namespace {

struct Explained {
    std::vector<float> logits;
    Attribution attribution;
};

Explained explain(std::shared_ptr<const Model> model, std::span<const int32_t> tokens, int64_t chunk, int32_t token) {
    ContributionRecorder recorder(model->spec);
    engine::Session session(model, {.prefill_chunk = chunk, .hook = &recorder});
    const auto out = session.evaluate(tokens);
    return {{out.begin(), out.end()}, attribute(*model, recorder, out, token, runner_up(out, token))};
}

class Families : public testing::TestWithParam<std::string> {};

TEST_P(Families, PartsSumToTheDifferenceOfLogits) {
    const auto model = test::tiny_model(GetParam());
    const auto tokens = test::random_tokens(model->spec.vocab, 23);
    double largest = 0;
    for (const int64_t chunk : {1, 9, 23}) {
        for (const int32_t token : {0, 17, 299}) {
            const auto [logits, a] = explain(model, tokens, chunk, token);
            EXPECT_NE(a.against, token);
            EXPECT_FLOAT_EQ(static_cast<float>(a.difference), logits[token] - logits[a.against]);
            EXPECT_NEAR(a.sum(), a.difference, 2e-5);
            largest = std::max(largest, std::abs(a.difference));
        }
    }
    EXPECT_GT(largest, 0.1);
}

TEST_P(Families, EveryPartIsThereOnce) {
    const auto model = test::tiny_model(GetParam());
    const auto a = explain(model, test::random_tokens(model->spec.vocab, 5), 512, 3).attribution;
    size_t expected = 1;  // the embedding
    for (const LayerSpec& layer : model->spec.layers) {
        const MoeSpec* moe = layer.moe();
        expected += layer.has_mixer() + (moe ? static_cast<size_t>(moe->router.top_k) + (moe->shared_hidden > 0)
                                             : layer.has_feed_forward());
    }
    EXPECT_EQ(a.parts.size(), expected);
    for (const PartShare& p : a.parts) EXPECT_EQ(p.expert >= 0, p.part == moe::Part::experts);
}

INSTANTIATE_TEST_SUITE_P(All, Families, testing::ValuesIn(test::tiny_architectures()),
                         [](const auto& family) { return family.param; });

// The models that tests/model/encoder_decoder.py writes: layer norms with biases, ReLU, attention to the source.
TEST(Attribution, SourcesOfEncodersArePartsToo) {
    const std::string folder =
        std::filesystem::temp_directory_path() / fmt::format("gremium-attribution-{}", ::getpid());
    const std::string command =
        "python3 " + (test::source_directory() / "tests/model/encoder_decoder.py ").string() + folder;
    if (std::system(command.c_str()) != 0) GTEST_SKIP() << "there is no python3 to write the models";
    for (const char* name : {"/switch", "/nllb"}) {
        SCOPED_TRACE(name);
        const auto model = load_model(folder + name);
        ContributionRecorder recorder(model->spec);
        engine::Session session(model, {.hook = &recorder});
        session.encode(std::vector<int32_t>{5, 4, 3});
        const auto logits = session.evaluate(std::vector<int32_t>{model->spec.decoder_start, 7, 8});
        const Attribution a = attribute(*model, recorder, logits, 6, runner_up(logits, 6));
        EXPECT_GT(std::abs(a.difference), 0.01);
        EXPECT_NEAR(a.sum(), a.difference, 2e-5);
        EXPECT_EQ(std::ranges::count(a.parts, moe::Part::cross, &PartShare::part),
                  static_cast<std::ptrdiff_t>(model->spec.layers.size()));
    }
    std::filesystem::remove_all(folder);
}

// One layer by hand: the residual before the mixture is what the embedding and the attention gave; from it each
// expert's output follows in float64.
TEST(Attribution, AnExpertsShareIsItsOutputAlongTheDirection) {
    test::TinyShape shape;
    shape.layers = 1;
    const ModelSpec spec = test::tiny_spec("olmoe", shape);
    const auto tensors = test::tiny_tensors(spec);
    const auto model = test::tiny_model(spec, tensors);
    ContributionRecorder recorder(spec);
    engine::Session session(model, {.hook = &recorder});
    const auto logits = session.evaluate(test::random_tokens(spec.vocab, 6));
    const Attribution a = attribute(*model, recorder, logits, 5, 9);

    const auto dim = static_cast<size_t>(spec.dim), hidden = static_cast<size_t>(shape.expert_hidden);
    const auto at = [&](const std::string& name) { return tensors->at(name).get().f32(); };
    std::vector<double> x(dim), final(dim), normed(dim);
    double squares = 0, final_squares = 0;
    for (const auto& part : recorder.parts())
        for (size_t d = 0; d < dim; ++d) {
            final[d] += double{part.x_D[d]};
            if (part.part != moe::Part::experts) x[d] += double{part.x_D[d]};
        }
    for (size_t d = 0; d < dim; ++d) {
        squares += x[d] * x[d];
        final_squares += final[d] * final[d];
    }
    const auto n = static_cast<double>(dim);
    for (size_t d = 0; d < dim; ++d)
        normed[d] = x[d] / std::sqrt(squares / n + double{spec.norm.eps}) * double{at("blk.0.ffn_norm.weight")[d]};
    size_t experts = 0;
    for (const PartShare& share : a.parts) {
        if (share.part != moe::Part::experts) continue;
        ++experts;
        const auto e = static_cast<size_t>(share.expert);
        double value = 0;
        for (size_t f = 0; f < hidden; ++f) {
            double gate = 0, up = 0;
            for (size_t d = 0; d < dim; ++d) {
                gate += double{at("blk.0.ffn_gate_exps.weight")[(e * hidden + f) * dim + d]} * normed[d];
                up += double{at("blk.0.ffn_up_exps.weight")[(e * hidden + f) * dim + d]} * normed[d];
            }
            const double h = gate / (1 + std::exp(-gate)) * up;
            for (size_t d = 0; d < dim; ++d) {
                const double direction =
                    double{at("output_norm.weight")[d]} *
                    (double{at("output.weight")[5 * dim + d]} - double{at("output.weight")[9 * dim + d]}) /
                    std::sqrt(final_squares / n + double{spec.norm.eps});
                value += double{share.weight} * h *
                         double{at("blk.0.ffn_down_exps.weight")[(e * dim + d) * hidden + f]} * direction;
            }
        }
        EXPECT_NEAR(share.value, value, 1e-5) << "expert " << e;
    }
    EXPECT_EQ(experts, 2u);
}

TEST(Attribution, RunnerUpIsTheBestOther) {
    EXPECT_EQ(runner_up(std::vector<float>{1, 3, 2}, 1), 2);
    EXPECT_EQ(runner_up(std::vector<float>{1, 3, 2}, 2), 1);
    EXPECT_EQ(runner_up(std::vector<float>{5, 3}, 0), 1);
}

}  // namespace
}  // namespace gremium::hooks
