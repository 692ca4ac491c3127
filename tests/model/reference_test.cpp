// The decoder against a float64 forward, for all architectures and some shapes.
#include "model/spec/validate.h"
#include "tests/model/reference_forward.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/model/fixtures.h"

namespace gremium::test {
namespace {

double largest_difference(const std::vector<Vector>& a, const std::vector<Vector>& b) {
    double most = 0;
    for (size_t t = 0; t < a.size(); ++t)
        for (size_t i = 0; i < a[t].size(); ++i) most = std::max(most, std::abs(a[t][i] - b[t][i]));
    return most;
}

// What moving every weight to a neighbouring f32 value does to the float64 forward: how well the model is conditioned.
double effect_of_rounding(const ModelSpec& spec, uint64_t seed, const std::vector<int32_t>& tokens,
                          const std::vector<Vector>& expected) {
    const auto moved = tiny_tensors(spec, seed);
    Random random(seed, 98);
    for (auto& [name, tensor] : *moved) {
        float* values = tensor.get().f32();
        for (int64_t i = 0; i < tensor.get().count(); ++i)
            values[i] = std::nextafter(values[i], random.below(2) == 0 ? -INFINITY : INFINITY);
    }
    return largest_difference(ReferenceForward(spec, *moved)(tokens), expected);
}

// An f32 forward rounds about as often as there are weights: it is off by what moved weights do, and up to five times
// that by chance (twice was the most seen).
void expect_as_reference(const ModelSpec& spec, uint64_t seed) {
    validate(spec, "spec");
    const auto tensors = tiny_tensors(spec, seed);
    const auto tokens = random_tokens(spec.vocab, 40, seed);
    const auto expected = ReferenceForward(spec, *tensors)(tokens);
    const double limit = 5 * effect_of_rounding(spec, seed, tokens, expected);
    const auto model = tiny_model(spec, tensors);
    EXPECT_LE(largest_difference(all_logprobs(model, tokens), expected), limit) << "one batch";
    EXPECT_LE(largest_difference(all_logprobs(model, tokens, {.prefill_chunk = 7}), expected), limit) << "chunks";
    EXPECT_LE(largest_difference(all_logprobs(model, tokens, {}, 1), expected), limit) << "token by token";
}

class Reference : public testing::TestWithParam<std::string> {};

TEST_P(Reference, OrdinaryShape) { expect_as_reference(tiny_spec(GetParam()), 1); }

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
    expect_as_reference(tiny_spec(GetParam(), shape), 2);
}

TEST_P(Reference, OneHeadOneExpert) {
    const TinyShape shape{.layers = 1, .dim = 16, .heads = 1, .kv_heads = 1, .head_dim = 16, .experts = 1, .top_k = 1};
    expect_as_reference(tiny_spec(GetParam(), shape), 3);
}

TEST_P(Reference, AllExpertsManyLayers) {
    const TinyShape shape{.layers = 7, .dim = 24, .heads = 2, .kv_heads = 1, .head_dim = 12, .experts = 4, .top_k = 4};
    expect_as_reference(tiny_spec(GetParam(), shape), 4);
}

INSTANTIATE_TEST_SUITE_P(Architectures, Reference, testing::ValuesIn(tiny_architectures()),
                         [](const auto& test) { return test.param; });

// Chunks and temperatures that matter within a few tokens; published ones begin at 8192.
TEST(AttentionReference, ChunksAndTemperatures) {
    ModelSpec spec = tiny_spec("llama4", {.layers = 5});
    for_each_attention(spec, [](AttentionSpec& a) {
        if (a.chunk > 0) a.chunk = 6;
        if (a.temperature > 0) a.temperature_stretch = 5, a.temperature = 0.7f;
    });
    expect_as_reference(spec, 6);
}

TEST(AttentionReference, LatentWithoutLowRankQueries) {
    ModelSpec spec = tiny_spec("deepseek2");
    for_each_attention(spec, [](AttentionSpec& a) {
        a.latent.query_rank = 0;
        a.sinks = true;
        a.window = 9;
    });
    for (LayerSpec& layer : spec.layers)
        if (auto* m = std::get_if<MoeSpec>(&layer.feed_forward)) {
            m->router = {.experts = 6, .top_k = 2, .scale = 4, .groups = 3, .groups_used = 2};
            m->shared_hidden = 2 * m->hidden;
        }
    expect_as_reference(spec, 7);
}

TEST(AttentionReference, OutputGates) {
    for (const OutputGateSpec& gate : {OutputGateSpec{.kind = GateKind::sigmoid},
                                       {.kind = GateKind::softplus, .per_head = true},
                                       {.kind = GateKind::sigmoid, .beside_queries = true}}) {
        ModelSpec spec = tiny_spec("qwen3moe");
        for_each_attention(spec, [&](AttentionSpec& a) {
            a.gate = gate;
            a.value_dim = 11;
        });
        expect_as_reference(spec, 9);
    }
    ModelSpec latent = tiny_spec("deepseek2");
    for_each_attention(latent, [](AttentionSpec& a) { a.gate = {.kind = GateKind::sigmoid, .per_head = true}; });
    expect_as_reference(latent, 10);
}

// llama.cpp's reading of Phi-3.5-MoE, and short divisors in a short context.
TEST(AttentionReference, PhiAsLlamaCppReadsIt) {
    ModelSpec spec = tiny_spec("phimoe");
    spec.norm.kind = NormKind::rms;
    for_each_attention(spec, [](AttentionSpec& a) { a.rope.original_context = 128; });
    for (LayerSpec& layer : spec.layers)
        std::get<MoeSpec>(layer.feed_forward).router = {
            .experts = 6, .top_k = 2, .score = moe::RouterPolicy::Score::softmax_selected};
    expect_as_reference(spec, 8);
}

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
    expect_as_reference(spec, 5);
}

MoeSpec* mixture_of(LayerSpec& layer) { return std::get_if<MoeSpec>(&layer.feed_forward); }

TEST(BlockReference, PartsSideBySide) {
    ModelSpec spec = tiny_spec("dots1", {.layers = 4});
    spec.norm.kind = NormKind::layer;
    for (LayerSpec& layer : spec.layers) {
        layer.parallel = true;
        if (MoeSpec* m = mixture_of(layer)) m->output_scale = 0.5f;
    }
    expect_as_reference(spec, 11);
}

// Capped scores and logits, norms behind the parts, a second branch in the place of shared experts.
TEST(BlockReference, NormsBehindPartsAndCaps) {
    ModelSpec spec = tiny_spec("mixtral");
    spec.logit_softcap = 2;
    spec.embedding_scale = 3;
    for (LayerSpec& layer : spec.layers) {
        layer.post_norms = true;
        layer.attention()->softcap = 0.7f;
        layer.attention()->scale = 0.5f;
        MoeSpec* m = mixture_of(layer);
        m->activation = kernels::Activation::gelu;
        m->shared_hidden = 20;
        m->output_scale = 0.70710678f;
    }
    expect_as_reference(spec, 12);
}

TEST(BlockReference, DenseBranchBesideAMixtureOfTheInput) {
    ModelSpec spec = tiny_spec("qwen2moe");
    for (LayerSpec& layer : spec.layers) layer.branch = DenseSpec{.hidden = spec.dim};
    expect_as_reference(spec, 13);
}

TEST(BlockReference, RouterBeforeAttentionWithReluExperts) {
    ModelSpec spec = tiny_spec("mixtral");
    for (LayerSpec& layer : spec.layers) {
        MoeSpec* m = mixture_of(layer);
        m->routes_block_input = true;
        m->activation = kernels::Activation::relu;
        m->router.score = Score::sigmoid;
    }
    expect_as_reference(spec, 14);
}

TEST(BlockReference, LimitsOfExpertsAndOfSharedOnes) {
    ModelSpec spec = tiny_spec("dots1");
    for (LayerSpec& layer : spec.layers)
        if (MoeSpec* m = mixture_of(layer)) {
            m->activation = kernels::Activation::capped_swiglu;
            m->activation.limit = 0.3f;
            m->shared_activation = kernels::Activation::silu;
        }
    expect_as_reference(spec, 15);
}

TEST(AttentionReference, NormsBehindRotationClipsAndScaledValues) {
    ModelSpec spec = tiny_spec("qwen3");
    for_each_attention(spec, [](AttentionSpec& a) {
        a.qk_norm = QkNorm::after_rotation;
        a.clip = 0.8f;
        a.value_scale = 0.707f;
        a.value_dim = 5;
        a.temperature = 0.7f;
        a.temperature_stretch = 5;
        a.temperature_from = 0;
    });
    expect_as_reference(spec, 16);
}

}  // namespace
}  // namespace gremium::test
