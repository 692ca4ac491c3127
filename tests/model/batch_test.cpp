// Several sequences in one forward are, to the bit, what each is alone.
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "base/error.h"
#include "kernels/simd/variant.h"
#include "model/decoder.h"
#include "model/spec/tensors.h"
#include "tensor/quantised/blocks.h"
#include "tests/model/tiny_model.h"

namespace gremium::test {
namespace {

struct Part {
    int32_t sequence;
    int64_t tokens;
};
using Step = std::vector<Part>;

// Prompts in chunks, decoding, joining and leaving; more rows than a kernel for few takes, and fewer.
const std::vector<Step> script{{{0, 24}},
                               {{0, 1}, {1, 7}},
                               {{0, 1}, {1, 1}, {3, 30}},
                               {{3, 5}, {1, 1}, {0, 1}, {2, 12}},
                               {{0, 1}, {1, 1}, {2, 1}, {3, 1}},
                               {{2, 20}, {3, 2}}};

std::vector<int32_t> tokens_of(const ModelSpec& spec, int32_t sequence) {
    return random_tokens(spec.vocab, 64, 10 + static_cast<uint64_t>(sequence));
}

std::vector<float> values(TensorView t) { return {t.f32(), t.f32() + t.count()}; }

// The logits of all rows of a step.
std::vector<float> evaluate(const Model& model, const Step& step, std::span<KvCache* const> caches) {
    std::vector<int32_t> tokens, positions, sequences;
    for (const Part& part : step) {
        const std::vector<int32_t> all = tokens_of(model.spec, part.sequence);
        const int64_t first = caches[static_cast<size_t>(part.sequence)]->length();
        for (int64_t i = first; i < first + part.tokens; ++i) {
            tokens.push_back(all[static_cast<size_t>(i)]);
            positions.push_back(static_cast<int32_t>(i));
            sequences.push_back(part.sequence);
        }
    }
    Arena arena;
    ops::Graph g(arena, running_options(DType::q8_0));
    const Forward out =
        forward(g, model, {.tokens = tokens, .positions = positions, .sequences = sequences}, {.caches = caches});
    std::vector<int32_t> rows(tokens.size());
    std::iota(rows.begin(), rows.end(), 0);
    return values(logits(g, model, out.hidden_TD, rows)->value);
}

void expect_alone(const Model& model) {
    std::vector<std::unique_ptr<KvCache>> together, alone;
    std::vector<KvCache*> caches;
    for (int s = 0; s < 4; ++s) {
        together.push_back(std::make_unique<KvCache>(model.spec, 64));
        alone.push_back(std::make_unique<KvCache>(model.spec, 64));
        caches.push_back(together.back().get());
    }
    for (const Step& step : script) {
        const std::vector<float> all = evaluate(model, step, caches);
        std::vector<float> each;
        for (const Part& part : step) {
            std::vector<KvCache*> one(4);
            one[static_cast<size_t>(part.sequence)] = alone[static_cast<size_t>(part.sequence)].get();
            const std::vector<float> own = evaluate(model, {part}, one);
            each.insert(each.end(), own.begin(), own.end());
        }
        ASSERT_EQ(all.size(), each.size());
        EXPECT_EQ(std::memcmp(all.data(), each.data(), all.size() * sizeof(float)), 0);
    }
}

class Batches : public testing::TestWithParam<std::string> {
  protected:
    void TearDown() override { kernels::force(usual_); }
    kernels::Variant usual_ = kernels::active();
};

TEST_P(Batches, EqualSequencesAlone) {
    for (const kernels::Variant variant : kernels::available_variants()) {
        SCOPED_TRACE(kernels::name(variant));
        kernels::force(variant);
        expect_alone(*tiny_model(GetParam()));
    }
}

TEST_P(Batches, EqualSequencesAloneQuantised) {
    const ModelSpec spec = tiny_spec(GetParam(), {.dim = 64, .hidden = 64, .expert_hidden = 32});
    const auto tensors = tiny_tensors(spec);
    for (const TensorSlot& slot : tensor_slots(spec)) {
        const bool matrix =
            slot.role == TensorRole::matrix || slot.role == TensorRole::expert || slot.role == TensorRole::head;
        if (!matrix || slot.shape[slot.shape.rank - 1] % 32 != 0) continue;
        OwnedTensor quantised(DType::q4_0, slot.shape);
        convert(tensors->at(slot.name), quantised);
        tensors->at(slot.name) = std::move(quantised);
    }
    for (const kernels::Variant variant : kernels::available_variants()) {
        SCOPED_TRACE(kernels::name(variant));
        kernels::force(variant);
        expect_alone(*tiny_model(spec, tensors));
    }
}

INSTANTIATE_TEST_SUITE_P(Architectures, Batches, testing::ValuesIn(tiny_architectures()),
                         [](const auto& test) { return test.param; });

TEST(Batch, RefusesWhatItCannotTellApart) {
    const auto model = tiny_model("llama");
    KvCache a(model->spec, 8), b(model->spec, 8);
    const std::vector<KvCache*> caches{&a, nullptr, &b};
    const std::vector<int32_t> tokens{1, 2, 3}, positions{0, 0, 1};
    const auto run = [&](std::vector<int32_t> sequences) {
        Arena arena;
        ops::Graph g(arena, {});
        forward(g, *model, {.tokens = tokens, .positions = positions, .sequences = sequences}, {.caches = caches});
    };
    EXPECT_THROW(run({0, 2, 0}), Error);  // not neighbours
    EXPECT_THROW(run({0, 1, 1}), Error);  // no such cache
    EXPECT_THROW(run({0, 3, 3}), Error);
    run({0, 2, 2});
    EXPECT_EQ(a.length(), 1);
    EXPECT_EQ(b.length(), 2);
}

}  // namespace
}  // namespace gremium::test
