// The decoder against a float64 forward, for all architectures and some shapes.
#include "tests/model/reference_forward.h"

#include <gtest/gtest.h>

#include "tests/model/fixtures.h"

namespace gremium::test {
namespace {

double largest_difference(const std::vector<Vector>& a, const std::vector<Vector>& b) {
    double most = 0;
    for (size_t t = 0; t < a.size(); ++t)
        for (size_t i = 0; i < a[t].size(); ++i) most = std::max(most, std::abs(a[t][i] - b[t][i]));
    return most;
}

class Reference : public testing::TestWithParam<std::string> {
  protected:
    static void expect_equal(const ModelSpec& spec, uint64_t seed) {
        const auto tensors = tiny_tensors(spec, seed);
        const auto tokens = random_tokens(spec.vocab, 24, seed);
        const auto expected = ReferenceForward(spec, *tensors)(tokens);
        const auto model = tiny_model(spec, tensors);
        EXPECT_LE(largest_difference(all_logprobs(model, tokens), expected), 1e-4) << "one batch";
        EXPECT_LE(largest_difference(all_logprobs(model, tokens, {.prefill_chunk = 5}), expected), 1e-4)
            << "chunks";
        EXPECT_LE(largest_difference(all_logprobs(model, tokens, {}, 1), expected), 1e-4) << "token by token";
    }
};

TEST_P(Reference, OrdinaryShape) { expect_equal(tiny_spec(GetParam()), 1); }

TEST_P(Reference, WideHeadsAndOddWidths) {
    const TinyShape shape{.layers = 2,
                          .dim = 40,
                          .heads = 6,
                          .kv_heads = 3,
                          .head_dim = 10,
                          .hidden = 37,
                          .vocab = 291,
                          .experts = 5,
                          .top_k = 3,
                          .expert_hidden = 7,
                          .shared_hidden = 9,
                          .leading_dense = 0,
                          .tied = true};
    expect_equal(tiny_spec(GetParam(), shape), 2);
}

TEST_P(Reference, OneHeadOneExpert) {
    const TinyShape shape{
        .layers = 1, .dim = 16, .heads = 1, .kv_heads = 1, .head_dim = 16, .experts = 1, .top_k = 1};
    expect_equal(tiny_spec(GetParam(), shape), 3);
}

TEST_P(Reference, AllExpertsManyLayers) {
    const TinyShape shape{
        .layers = 7, .dim = 24, .heads = 2, .kv_heads = 1, .head_dim = 12, .experts = 4, .top_k = 4};
    expect_equal(tiny_spec(GetParam(), shape), 4);
}

INSTANTIATE_TEST_SUITE_P(Architectures, Reference, testing::ValuesIn(tiny_architectures()),
                         [](const auto& test) { return test.param; });

TEST(RopeReference, InterleavedScaledAndPartial) {
    ModelSpec spec = tiny_spec("llama", {.head_dim = 12});
    for (LayerSpec& layer : spec.layers) {
        RopeSpec& rope = layer.attention()->rope;
        rope.pairing = kernels::RopePairing::interleaved;
        rope.dims = 8;
        rope.linear_factor = 2;
        rope.divisors = {1, 1.5f, 4, 8};
    }
    spec.layers[1].attention()->rope.base = 1000;  // a second table
    const auto tensors = tiny_tensors(spec, 5);
    const auto tokens = random_tokens(spec.vocab, 24);
    EXPECT_LE(largest_difference(all_logprobs(tiny_model(spec, tensors), tokens),
                                 ReferenceForward(spec, *tensors)(tokens)),
              1e-4);
}

}  // namespace
}  // namespace gremium::test
