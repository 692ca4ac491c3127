// What must always hold of a forward.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"
#include "kernels/simd/variant.h"
#include "model/files/bind.h"
#include "model/spec/tensors.h"
#include "ops/ops.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"

namespace gremium::test {
namespace {

using Rows = std::vector<std::vector<double>>;

class Invariants : public testing::TestWithParam<std::string> {};

Rows outputs(const std::shared_ptr<Model>& model, const engine::SessionOptions& options = {}) {
    return all_logprobs(model, random_tokens(model->spec.vocab, 40), options);
}

struct LookingHook : moe::RoutingHook {
    int before = 0, after = 0;
    void before_selection(const moe::BeforeSelection&) override { ++before; }
    void after_selection(const moe::AfterSelection& a) override {
        EXPECT_EQ(a.batch.tokens.size(), a.batch.positions.size());
        EXPECT_EQ(a.ids_Tk.size(), a.batch.tokens.size() * static_cast<size_t>(a.top_k));
        ++after;
    }
};

TEST_P(Invariants, LookingChangesNoBit) {
    const auto model = tiny_model(GetParam());
    LookingHook hook;
    EXPECT_EQ(outputs(model, {.prefill_chunk = 16, .hook = &hook}), outputs(model, {.prefill_chunk = 16}));
    int mixtures = 0;
    for (const LayerSpec& layer : model->spec.layers) mixtures += layer.moe() ? 1 : 0;
    EXPECT_EQ(hook.before, 3 * mixtures);  // 40 tokens in chunks of 16
    EXPECT_EQ(hook.after, 3 * mixtures);
}

TEST_P(Invariants, ThreadsChangeNoBit) {
    const auto model = tiny_model(GetParam());
    const int before = threads();
    set_threads(1);
    const Rows expected = outputs(model);
    set_threads(3);
    EXPECT_EQ(outputs(model), expected);
    set_threads(before);
}

TEST_P(Invariants, TruncatedAndContinuedEqualsFresh) {
    const auto model = tiny_model(GetParam());
    const auto tokens = random_tokens(model->spec.vocab, 30);
    engine::Session fresh(model), edited(model);
    const std::span<const float> expected = fresh.evaluate(tokens);
    edited.evaluate(std::span(tokens).first(20));
    edited.evaluate(random_tokens(model->spec.vocab, 8, 7));
    if (std::ranges::any_of(model->spec.layers,
                            [](const LayerSpec& layer) { return !cache_of(layer).states.empty(); })) {
        EXPECT_THROW(edited.truncate(20), Error);  // a recurrent state has no past
        EXPECT_EQ(edited.reachable(20), 0);
        edited.truncate(0);
        edited.evaluate(std::span(tokens).first(20));
    } else {
        edited.truncate(20);
    }
    const std::span<const float> actual = edited.evaluate(std::span(tokens).subspan(20));
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(expected[i], actual[i], 1e-4);
    EXPECT_EQ(edited.length(), 30);
}

// A forward without cache over `sequences` sequences; returns hidden rows and what routing returned.
struct Trained {
    std::vector<float> hidden;
    std::vector<LayerRouting> routing;
    std::map<std::string, std::vector<float>> gradients;
    double loss = 0;
};

Trained run(const ModelSpec& spec, Tensors& tensors, int64_t length, bool record, bool recompute = false) {
    Tensors gradients;
    if (record)
        for (const auto& [name, tensor] : tensors) gradients.emplace(name, OwnedTensor(DType::f32, tensor.get().shape));
    const auto weight = [&](const TensorSlot& slot) {
        return ops::Weight{tensors.at(slot.name), record ? gradients.at(slot.name).get() : Tensor{}};
    };
    const auto model = bind_model(spec, weight, moe::Residency::mapped);
    const auto tokens = random_tokens(spec.vocab, 36), targets = random_tokens(spec.vocab, 36, 2);
    std::vector<int32_t> positions;
    for (size_t t = 0; t < tokens.size(); ++t)
        positions.push_back(static_cast<int32_t>(t) % static_cast<int32_t>(length));

    Arena arena;
    ops::Graph g(arena, {.record = record});
    const Forward out =
        forward(g, *model, {.tokens = tokens, .positions = positions, .sequences = {}, .sequence_length = length},
                {.recompute = recompute});
    Trained result;
    result.hidden.assign(out.hidden_TD->value.f32(), out.hidden_TD->value.f32() + out.hidden_TD->value.count());
    result.routing = out.routing;
    if (!record) return result;
    ops::Var loss =
        ops::cross_entropy(g, out.hidden_TD, model->weights.head, targets, {.bias = model->weights.head_bias});
    for (const LayerRouting& layer : out.routing) {
        loss = ops::add_scaled(g, loss, layer.balance_loss, 0.01f);
        loss = ops::add_scaled(g, loss, layer.z_loss, 0.001f);
    }
    result.loss = *loss->value.f32();
    g.backward(loss);
    for (const auto& [name, gradient] : gradients)
        result.gradients[name].assign(gradient.get().f32(), gradient.get().f32() + gradient.get().count());
    return result;
}

TEST_P(Invariants, RecordingChangesNoBit) {
    const ModelSpec spec = tiny_spec(GetParam());
    const auto tensors = tiny_tensors(spec);
    const Trained running = run(spec, *tensors, 12, false), training = run(spec, *tensors, 12, true);
    EXPECT_EQ(running.hidden, training.hidden);
    ASSERT_EQ(running.routing.size(), training.routing.size());
    for (size_t l = 0; l < running.routing.size(); ++l) {
        EXPECT_EQ(running.routing[l].load_E, training.routing[l].load_E);
        EXPECT_EQ(running.routing[l].layer, training.routing[l].layer);
        EXPECT_EQ(running.routing[l].balance_loss, nullptr);
    }
}

TEST_P(Invariants, RecomputationChangesNoBit) {
    const ModelSpec spec = tiny_spec(GetParam());
    const auto tensors = tiny_tensors(spec);
    const Trained kept = run(spec, *tensors, 12, true), recomputed = run(spec, *tensors, 12, true, true);
    EXPECT_EQ(kept.hidden, recomputed.hidden);
    for (const auto& [name, gradient] : kept.gradients) {
        EXPECT_EQ(gradient, recomputed.gradients.at(name)) << name;
        const bool selection_only = name.find("exp_probs_b") != std::string::npos;
        const bool zero = std::ranges::all_of(gradient, [](float v) { return v == 0; });
        EXPECT_EQ(zero, selection_only) << name;
    }
    for (size_t l = 0; l < kept.routing.size(); ++l) EXPECT_EQ(kept.routing[l].load_E, recomputed.routing[l].load_E);
}

// Of the whole model, along the gradient of each tensor. Mamba's scan is checked alone: here, steps change routes.
TEST_P(Invariants, GradientsOfRecurrentModelsEqualDifferences) {
    const ModelSpec spec = tiny_spec(GetParam());
    const auto is_new = [](const LayerSpec& l) { return !cache_of(l).states.empty() && !l.ssm(); };
    if (std::ranges::none_of(spec.layers, is_new)) GTEST_SKIP() << "no recurrent layer but Mamba's";
    const auto tensors = tiny_tensors(spec);
    const Trained trained = run(spec, *tensors, 12, true);
    for (auto& [name, tensor] : *tensors) {
        if (name.find("ssm_") == std::string::npos && name.find("shortconv") == std::string::npos &&
            name.find("attn_gate") == std::string::npos && name.find("attn_q") == std::string::npos)
            continue;
        float* const values = tensor.get().f32();
        const int64_t count = tensor.get().count();
        const std::vector<float> before(values, values + count), &gradient = trained.gradients.at(name);
        double norm = 0;
        for (const float v : gradient) norm += double{v} * v;
        norm = std::sqrt(norm);
        // Along the gradient itself the difference is its length.
        const auto loss_at = [&](double step) {
            for (int64_t i = 0; i < count; ++i)
                values[i] =
                    static_cast<float>(before[static_cast<size_t>(i)] + step * gradient[static_cast<size_t>(i)] / norm);
            return run(spec, *tensors, 12, true).loss;
        };
        // Steps that change the loss about as much: steep directions are curved, too.
        const double h = 2e-3 / std::max(norm, 1.0);
        const double difference = (loss_at(h) - loss_at(-h)) / (2 * h);
        std::copy(before.begin(), before.end(), values);
        EXPECT_NEAR(difference, norm, 0.03 * norm + 2e-4) << name;
    }
}

// Sequences side by side are what each is alone with a cache.
TEST_P(Invariants, SequencesDoNotSeeEachOther) {
    const ModelSpec spec = tiny_spec(GetParam());
    const auto tensors = tiny_tensors(spec);
    const auto model = tiny_model(spec, tensors);
    const auto tokens = random_tokens(spec.vocab, 36);
    const Trained batch = run(spec, *tensors, 12, false);
    for (size_t s = 0; s < 3; ++s) {
        Arena arena;
        ops::Graph g(arena, {});
        KvCache cache(spec, 12);
        KvCache* const used = &cache;
        std::vector<int32_t> positions(12);
        for (size_t i = 0; i < 12; ++i) positions[i] = static_cast<int32_t>(i);
        const Forward alone = forward(
            g, *model, {.tokens = std::span(tokens).subspan(12 * s, 12), .positions = positions, .sequences = {}},
            {.caches = std::span(&used, 1)});
        const float* hidden = alone.hidden_TD->value.f32();
        for (size_t i = 0; i < 12 * static_cast<size_t>(spec.dim); ++i)
            EXPECT_NEAR(batch.hidden[s * 12 * static_cast<size_t>(spec.dim) + i], hidden[i], 1e-4);
    }
}

// Lower precision stays near: the same prediction up to rounding.
TEST_P(Invariants, Bf16ComputeAndF16CacheStayNear) {
    const auto model = tiny_model(GetParam());
    const Rows exact = outputs(model);
    const auto kl = [&](const Rows& rows) {
        double sum = 0;
        for (size_t t = 0; t < rows.size(); ++t)
            for (size_t i = 0; i < rows[t].size(); ++i) sum += std::exp(exact[t][i]) * (exact[t][i] - rows[t][i]);
        return sum / static_cast<double>(rows.size());
    };
    EXPECT_LT(kl(outputs(model, {.cache = DType::f16})), 1e-3);
    EXPECT_LT(kl(outputs(model, {.compute = DType::bf16})), 0.05);
}

INSTANTIATE_TEST_SUITE_P(Architectures, Invariants, testing::ValuesIn(tiny_architectures()),
                         [](const auto& test) { return test.param; });

// Tensors of a dense model as those of a mixture whose every expert has its feed-forward.
std::shared_ptr<Tensors> with_copies(const ModelSpec& dense, const ModelSpec& mixture) {
    const auto from = tiny_tensors(dense);
    const auto to = tiny_tensors(mixture);
    for (auto& [name, tensor] : *to) {
        std::string source = name;
        const size_t at = name.find("_exps");
        if (at != std::string::npos) source.erase(at, 5);
        if (!from->contains(source)) continue;
        const Tensor original = from->at(source);
        for (int64_t copy = 0; copy < tensor.get().count() / original.count(); ++copy)
            std::copy_n(original.f32(), original.count(), tensor.get().f32() + copy * original.count());
    }
    return to;
}

void expect_near(const Rows& a, const Rows& b) {
    for (size_t t = 0; t < a.size(); ++t)
        for (size_t i = 0; i < a[t].size(); ++i) EXPECT_NEAR(a[t][i], b[t][i], 5e-5);
}

TEST(MixtureInvariants, OneExpertIsTheDenseFeedForward) {
    const ModelSpec dense = tiny_spec("llama");
    const ModelSpec mixture = tiny_spec("mixtral", {.experts = 1, .top_k = 1, .expert_hidden = 24});
    expect_near(outputs(tiny_model(mixture, with_copies(dense, mixture))),
                outputs(tiny_model(dense, tiny_tensors(dense))));
}

TEST(MixtureInvariants, EqualExpertsAreTheDenseFeedForwardForEveryK) {
    const ModelSpec dense = tiny_spec("llama");
    const Rows expected = outputs(tiny_model(dense, tiny_tensors(dense)));
    for (int k = 1; k <= 5; ++k) {
        const ModelSpec mixture = tiny_spec("mixtral", {.experts = 5, .top_k = k, .expert_hidden = 24});
        expect_near(outputs(tiny_model(mixture, with_copies(dense, mixture))), expected);
    }
}

// A hook that asks for k experts equals a model whose specification says k.
TEST(MixtureInvariants, HookThatChangesK) {
    struct MoreExperts : moe::RoutingHook {
        void before_selection(const moe::BeforeSelection& b) override { b.top_k = 4; }
    } hook;
    ModelSpec two = tiny_spec("qwen3moe", {.top_k = 2}), four = tiny_spec("qwen3moe", {.top_k = 4});
    const auto tensors = tiny_tensors(two);
    EXPECT_EQ(outputs(tiny_model(two, tensors), {.hook = &hook}), outputs(tiny_model(four, tensors)));
    EXPECT_NE(outputs(tiny_model(two, tensors)), outputs(tiny_model(four, tensors)));
}

TEST(MixtureInvariants, MutedExpertIsNeverChosen) {
    struct Mute : moe::RoutingHook {
        int chosen = 0;
        void before_selection(const moe::BeforeSelection& b) override {
            for (size_t i = 3; i < b.logits_TE.size(); i += static_cast<size_t>(b.experts))
                b.logits_TE[i] = -std::numeric_limits<float>::infinity();
        }
        void after_selection(const moe::AfterSelection& a) override {
            chosen += static_cast<int>(std::ranges::count(a.ids_Tk, 3));
        }
    } hook;
    for (const char* architecture : {"qwen2moe", "dots1"}) outputs(tiny_model(architecture), {.hook = &hook});
    EXPECT_EQ(hook.chosen, 0);
}

TEST(ForwardErrors, BatchesThatMakeNoSense) {
    const auto model = tiny_model("llama");
    const std::vector<int32_t> tokens{1, 2, 3}, positions{0, 1, 2};
    Arena arena;
    ops::Graph g(arena, {});
    const auto run_batch = [&](Batch batch) { forward(g, *model, batch); };
    EXPECT_THROW(run_batch({}), Error);
    EXPECT_THROW(run_batch({.tokens = tokens, .positions = std::span(positions).first(2), .sequences = {}}), Error);
    EXPECT_THROW(run_batch({.tokens = tokens, .positions = positions, .sequences = {}, .sequence_length = 2}), Error);
    for (const int32_t id : {-1, 300}) {
        const std::vector<int32_t> outside{1, id, 3};
        EXPECT_THROW(run_batch({.tokens = outside, .positions = positions, .sequences = {}}), Error);
    }
}

}  // namespace
}  // namespace gremium::test
