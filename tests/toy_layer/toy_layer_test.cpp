// A kind of layer that only this program has. The rooms model and engine are compiled with its folder beside the real
// kinds, its place in layers/kinds.h and its architecture (the two patches); nothing else of them knows that it exists.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>

#include "base/error.h"
#include "engine/memory.h"
#include "model/decoder.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "model/named_weights.h"
#include "model/spec/difference.h"
#include "model/spec/size.h"
#include "model/spec/validate.h"
#include "ops/ops.h"
#include "tensor/quantised/blocks.h"
#include "tests/model/tiny_model.h"

namespace gremium::test {
namespace {

constexpr RunningMeanSpec mean{.channels = 20, .keep = 0.75f};

// Attention in the first layer, means in the others.
ModelSpec toy_spec() {
    ModelSpec spec = tiny_spec("llama");
    for (size_t l = 1; l < spec.layers.size(); ++l) spec.layers[l].mixer = mean;
    return spec;
}

std::vector<float> floats(ops::Var v) { return to_floats(v->value.view()); }

std::vector<int32_t> counting(size_t count, int32_t first = 0) {
    std::vector<int32_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), first);
    return numbers;
}

std::vector<float> hidden(const Model& model, std::span<const int32_t> tokens) {
    Arena arena;
    ops::Graph g(arena, {});
    const auto positions = counting(tokens.size());
    return floats(forward(g, model, {.tokens = tokens, .positions = positions, .sequences = {}}).hidden_TD);
}

// The same in steps of `step` tokens, each from the cache that the one before left.
std::vector<float> decoded(const Model& model, std::span<const int32_t> tokens, size_t step) {
    KvCache cache(model.spec, std::ssize(tokens));
    KvCache* const caches[] = {&cache};
    std::vector<float> all;
    for (size_t at = 0; at < tokens.size(); at += step) {
        const auto some = tokens.subspan(at, std::min(step, tokens.size() - at));
        const auto positions = counting(some.size(), static_cast<int32_t>(at));
        Arena arena;
        ops::Graph g(arena, {});
        const Forward out =
            forward(g, model, {.tokens = some, .positions = positions, .sequences = {}}, {.caches = caches});
        const std::vector<float> rows = floats(out.hidden_TD);
        all.insert(all.end(), rows.begin(), rows.end());
    }
    return all;
}

void expect_near(const std::vector<float>& a, const std::vector<float>& b, float tolerance) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << i;
}

std::string error_of(const auto& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

TEST(ToyLayer, IsChecked) {
    ModelSpec spec = toy_spec();
    EXPECT_NO_THROW(validate(spec, "x"));
    const auto change = [&](RunningMeanSpec other) {
        spec.layers[2].mixer = other;
        return error_of([&] { validate(spec, "x"); });
    };
    EXPECT_EQ(change({.channels = 0}), "x: the number of running means is 0, expected 1 to 16777216");
    EXPECT_EQ(change({.channels = 4, .keep = 1}),
              "x: layer 2 keeps 1 of its means, expected at least 0 and less than 1");
    EXPECT_EQ(first_difference(spec, toy_spec()), "the running mean of layer 2");
}

TEST(ToyLayer, IsInTheTableOfTensors) {
    const auto model = tiny_model(toy_spec(), tiny_tensors(toy_spec()));
    std::map<std::string, Shape> shapes;
    for (const auto& [slot, weight] : named_weights(*model)) {
        EXPECT_EQ(weight.value.shape, slot.shape) << slot.name;
        if (slot.layer == 2 && slot.part == BlockPart::mixer) shapes[slot.name] = slot.shape;
    }
    const std::map<std::string, Shape> expected{{"blk.2.mean_in.weight", {20, 32}},
                                                {"blk.2.mean_in.bias", {20}},
                                                {"blk.2.mean_gate.weight", {20, 32}},
                                                {"blk.2.mean_out.weight", {32, 20}}};
    EXPECT_EQ(shapes, expected);
    ModelSpec other = toy_spec();
    other.layers[2].mixer = RunningMeanSpec{.channels = 21};
    EXPECT_EQ(size_of(other).total_parameters - size_of(toy_spec()).total_parameters, 3 * 32 + 1);
}

TEST(ToyLayer, DecodesFromItsCacheAsInOneBatch) {
    const auto model = tiny_model(toy_spec(), tiny_tensors(toy_spec()));
    const auto tokens = random_tokens(model->spec.vocab, 30);
    const std::vector<float> expected = hidden(*model, tokens);
    expect_near(decoded(*model, tokens, 1), expected, 1e-5f);
    expect_near(decoded(*model, tokens, 7), expected, 1e-5f);
}

TEST(ToyLayer, SeesTheTokensBefore) {
    ModelSpec spec = toy_spec();
    for (LayerSpec& layer : spec.layers) layer.mixer = mean;
    const auto last = [&](const std::vector<int32_t>& tokens) {
        const std::vector<float> all = hidden(*tiny_model(spec, tiny_tensors(spec)), tokens);
        return std::vector<float>(all.end() - spec.dim, all.end());
    };
    EXPECT_NE(last({5, 6, 7}), last({9, 6, 7}));
    for (LayerSpec& layer : spec.layers) std::get<RunningMeanSpec>(layer.mixer).keep = 0;
    expect_near(last({5, 6, 7}), last({9, 6, 7}), 1e-6f);
}

TEST(ToyLayer, StatesGoBackOnlyToTheBeginning) {
    const ModelSpec spec = toy_spec();
    KvCache cache(spec, 10);
    cache.advance(5);
    EXPECT_EQ(cache.reachable(3), 0);
    EXPECT_THROW(cache.truncate(3), Error);
    cache.state(1, 0).f32()[19] = 1;
    cache.truncate(0);
    EXPECT_EQ(cache.state(1, 0).f32()[19], 0);
}

TEST(ToyLayer, MemoryIsPredicted) {
    const auto model = tiny_model(toy_spec(), tiny_tensors(toy_spec()));
    const engine::MemoryNeed need = engine::memory_need(*model, {.context = 100});
    EXPECT_EQ(need.states, 2 * 20 * 4);
    EXPECT_EQ(need.cache(), KvCache::bytes(model->spec, 100, DType::f32));

    ModelSpec wide = toy_spec();  // so wide that no other part of a block takes more
    for (LayerSpec& layer : wide.layers) layer.mixer = RunningMeanSpec{.channels = 500};
    const auto measured = [&](int64_t tokens) {
        const auto ids = random_tokens(wide.vocab, static_cast<size_t>(tokens)), positions = counting(ids.size());
        Arena arena;
        ops::Graph g(arena, {});
        forward(g, *tiny_model(wide, tiny_tensors(wide)), {.tokens = ids, .positions = positions, .sequences = {}});
        return static_cast<double>(arena.peak_bytes());
    };
    const auto estimate = static_cast<double>(engine::activation_bytes(wide, {.chunk = 128, .logit_rows = 0}));
    EXPECT_GT(estimate / measured(128), 0.98);
    EXPECT_LT(estimate / measured(128), 1.1);
}

struct Training {
    double loss;
    std::map<std::string, std::vector<float>> gradients;
};

Training train_step(const ModelSpec& spec, const Tensors& tensors, bool recompute = false) {
    Tensors gradients;
    for (const auto& [name, tensor] : tensors) gradients.emplace(name, OwnedTensor(DType::f32, tensor.get().shape));
    const auto weight = [&](const TensorSlot& slot) {
        return ops::Weight{tensors.at(slot.name), gradients.at(slot.name)};
    };
    const auto model = bind_model(spec, weight, moe::Residency::mapped);
    const auto tokens = random_tokens(spec.vocab, 24), targets = random_tokens(spec.vocab, 24, 2);
    std::vector<int32_t> positions = counting(12);
    positions.insert(positions.end(), positions.begin(), positions.begin() + 12);
    Arena arena;
    ops::Graph g(arena, {.record = true});
    const Forward out =
        forward(g, *model, {.tokens = tokens, .positions = positions, .sequences = {}, .sequence_length = 12},
                {.recompute = recompute});
    const ops::Var loss = ops::cross_entropy(g, out.hidden_TD, model->weights.head, targets);
    Training result{*loss->value.f32(), {}};
    g.backward(loss);
    for (const auto& [name, gradient] : gradients) result.gradients[name] = to_floats(gradient.get().view());
    return result;
}

TEST(ToyLayer, GradientsAreCentralDifferences) {
    const ModelSpec spec = toy_spec();
    const auto tensors = tiny_tensors(spec);
    const Training trained = train_step(spec, *tensors);
    for (const TensorSlot& slot : tensor_slots(spec)) {
        if (slot.layer != 1 || slot.part != BlockPart::mixer) continue;
        float* const values = tensors->at(slot.name).get().f32();
        for (const int64_t i : {int64_t{0}, slot.shape.count() / 3, slot.shape.count() - 1}) {
            constexpr float step = 1e-2f;
            const float value = values[i];
            values[i] = value + step;
            const double above = train_step(spec, *tensors).loss;
            values[i] = value - step;
            const double below = train_step(spec, *tensors).loss;
            values[i] = value;
            const double gradient = trained.gradients.at(slot.name)[static_cast<size_t>(i)];
            EXPECT_NEAR(gradient, (above - below) / (2 * double{step}), 2e-4 + 0.02 * std::abs(gradient))
                << slot.name << " " << i;
        }
    }
    EXPECT_EQ(train_step(spec, *tensors, true).gradients, trained.gradients);
}

TEST(ToyLayer, FilesHoldIt) {
    ModelSpec spec = toy_spec();
    const auto model = tiny_model(spec, tiny_tensors(spec));
    const auto tokens = random_tokens(spec.vocab, 20);
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / fmt::format("gremium-toy-layer-{}", getpid());
    std::filesystem::create_directories(folder);
    save_model(*model, folder / "toy.gguf");
    save_model(*model, folder / "toy", {.container = Container::hugging_face});
    for (const char* const name : {"toy.gguf", "toy"}) {
        const auto read = load_model(folder / name);
        EXPECT_EQ(read->spec.layers[1], spec.layers[1]) << name;
        expect_near(hidden(*read, tokens), hidden(*model, tokens), 1e-5f);
    }
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace gremium::test
