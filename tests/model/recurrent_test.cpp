// Models with recurrent layers, however their prompts are given.
#include <gtest/gtest.h>

#include "base/parallel.h"
#include "kernels/recurrent/matrix_state.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"

namespace gremium::test {
namespace {

class Recurrent : public testing::TestWithParam<std::string> {};

// Of the mixers: with mixtures, experts' products have other kernels for few rows.
TEST_P(Recurrent, PiecesOfWholeChunksGiveTheSameBits) {
    ModelSpec spec = tiny_spec(GetParam(), {.context = 512});
    for (LayerSpec& layer : spec.layers)
        if (layer.moe()) layer.feed_forward = DenseSpec{.hidden = 24};
    const auto model = tiny_model(spec, tiny_tensors(spec));
    const auto tokens = random_tokens(model->spec.vocab, 3 * kernels::matrix_state_chunk);
    const auto whole = all_logprobs(model, tokens, {.prefill_chunk = 3 * kernels::matrix_state_chunk});
    for (const int64_t chunks : {1, 2})
        EXPECT_TRUE(all_logprobs(model, tokens, {.prefill_chunk = chunks * kernels::matrix_state_chunk}) == whole)
            << chunks;
}

TEST_P(Recurrent, AnyPiecesGiveTheSameNumbers) {
    const auto model = tiny_model(GetParam(), {.context = 512});
    const auto tokens = random_tokens(model->spec.vocab, 150);
    const auto whole = all_logprobs(model, tokens, {.prefill_chunk = 512});
    for (const size_t step : {1, 3, 17, 80}) {
        const auto pieces = all_logprobs(model, tokens, {.prefill_chunk = 512}, step);
        double most = 0;
        for (size_t t = 0; t < whole.size(); ++t)
            for (size_t i = 0; i < whole[t].size(); ++i) most = std::max(most, std::abs(whole[t][i] - pieces[t][i]));
        EXPECT_LT(most, 5e-4) << step;
    }
}

INSTANTIATE_TEST_SUITE_P(Architectures, Recurrent,
                         testing::Values("jamba", "lfm2", "lfm2moe", "qwen3next", "qwen35", "qwen35moe",
                                         "granitehybrid", "nemotron_h_moe"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace gremium::test
