// Whole blocks: recomputation and the number of threads change no bit.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/parallel.h"
#include "ops/ops.h"
#include "tests/ops/gradient_check.h"

namespace gremium::ops {
namespace {

constexpr int64_t length = 24, sequences = 2, dim = 32, hidden = 48, heads = 4, vocabulary = 64;

// A decoder of two blocks with tied embeddings, and its gradients. Like a trainer it keeps its arena and graph, so that
// every run but the first works on used memory.
class Decoder {
  public:
    explicit Decoder(DType compute)
        : compute_(compute), graph_(arena_, {.record = true, .compute = compute, .activation = compute}) {}

    // loss, then all gradients
    std::vector<float> gradients(bool recompute) {
        for (const OwnedTensor& d : grads_) std::ranges::fill(floats(d), 0.0f);
        next_ = 0;
        graph_.clear();
        arena_.clear();
        Graph& g = graph_;
        std::vector<int32_t> ids, targets;
        for (int32_t t = 0; t < length * sequences; ++t) {
            ids.push_back(static_cast<int32_t>(t * 7 % vocabulary));
            targets.push_back(static_cast<int32_t>(t * 11 % vocabulary));
        }
        const Weight table = weight({vocabulary, dim});
        Var x = embedding(g, table, ids);
        for (int layer = 0; layer < 2; ++layer) {
            const size_t first = next_;
            const auto body = [this, first](Graph& graph, Var in) {
                next_ = first;
                return std::vector<Var>{block(graph, in)};
            };
            x = recompute ? checkpoint(g, x, body).front() : body(g, x).front();
        }
        const Var loss = cross_entropy(g, rms_norm(g, x, weight({dim}), 1e-5f, dim, compute_), table, targets);
        std::vector<float> result{*loss->value.f32()};
        g.backward(loss);
        for (const OwnedTensor& d : grads_) result.insert(result.end(), floats(d).begin(), floats(d).end());
        return result;
    }

  private:
    Weight weight(Shape shape) {
        if (next_ == values_.size()) {
            values_.push_back(random_tensor(shape, 50 + next_, 0.3f));
            grads_.emplace_back(DType::f32, shape);
        }
        const size_t i = next_++;
        return {values_[i], grads_[i]};
    }

    Var block(Graph& g, Var x) {
        Var h = rms_norm(g, x, weight({dim}), 1e-5f, dim, compute_);
        const Var q = linear(g, h, weight({dim, dim})), k = linear(g, h, weight({dim, dim}));
        const Var v = linear(g, h, weight({dim, dim}));
        std::vector<AttentionSpan> spans;
        for (int64_t s = 0; s < sequences; ++s) {
            const auto rows = [&](Var of) {
                return TensorView{of->value.row(s * length), of->value.dtype, {length, dim}};
            };
            spans.push_back({s * length, length, 0, rows(k), rows(v)});
        }
        const AttentionShape shape{
            .heads = heads, .kv_heads = heads, .head_dim = dim / heads, .value_dim = dim / heads, .scale = 0.35f};
        const Var attended = attention(g, q, k, v, spans, shape, length);
        x = add(g, x, linear(g, attended, weight({dim, dim}), {}, DType::f32));
        h = rms_norm(g, x, weight({dim}), 1e-5f, dim, compute_);
        const Var gate = linear(g, h, weight({hidden, dim})), up = linear(g, h, weight({hidden, dim}));
        const Var inner = activate(g, gate, up, Activation::silu);
        return add(g, x, linear(g, inner, weight({dim, hidden}), {}, DType::f32));
    }

    DType compute_;
    Arena arena_{1 << 16};
    Graph graph_;
    std::vector<OwnedTensor> values_, grads_;
    size_t next_ = 0;
};

class DecoderBlocks : public testing::TestWithParam<DType> {};

TEST_P(DecoderBlocks, RecomputationChangesNoBit) {
    Decoder decoder(GetParam());
    const std::vector<float> kept = decoder.gradients(false), recomputed = decoder.gradients(true);
    EXPECT_EQ(kept, recomputed);
    EXPECT_GT(std::abs(kept.back()), 0);
}

TEST_P(DecoderBlocks, ThreadsChangeNoBit) {
    Decoder decoder(GetParam());
    const int before = threads();
    set_threads(1);
    const std::vector<float> one = decoder.gradients(false);
    for (const int n : {2, 3}) {
        set_threads(n);
        EXPECT_EQ(decoder.gradients(false), one) << n << " threads";
    }
    set_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Types, DecoderBlocks, testing::Values(DType::f32, DType::bf16),
                         [](const testing::TestParamInfo<DType>& type) {
                             return std::string(gremium::info(type.param).name);
                         });

TEST(Checkpoint, KeepsOnlyItsOutputs) {
    Arena arena(1 << 16);
    Graph g(arena, {.record = true});
    const OwnedTensor x = random_tensor({8, 8}, 1);
    const Var in = g.input(x, true);
    const size_t before = arena.bytes_in_use();
    const auto outputs = checkpoint(g, in, [](Graph& graph, Var v) {
        for (int i = 0; i < 10; ++i) v = scale(graph, v, 2);
        return std::vector<Var>{v, nullptr};
    });
    EXPECT_EQ(arena.bytes_in_use() - before, 8 * 8 * sizeof(float));
    EXPECT_EQ(outputs[1], nullptr);
    EXPECT_EQ(outputs[0]->value.f32()[5], 1024 * x.get().f32()[5]);
    std::ranges::fill(floats(g.grad_of(outputs[0])), 1.0f);
    g.backward();
    EXPECT_EQ(in->grad.f32()[5], 1024);
    EXPECT_EQ(arena.bytes_in_use() - before, 8 * 8 * sizeof(float));
}

TEST(CrossEntropy, EqualsDoublePrecision) {
    constexpr int64_t tokens = 9, width = 5, classes = 11;
    const OwnedTensor x = random_tensor({tokens, width}, 1), head = random_tensor({classes, width}, 2);
    std::vector<int32_t> targets;
    for (int32_t t = 0; t < tokens; ++t) targets.push_back(t % 4 == 3 ? -1 : t);
    double sum = 0;
    int counted = 0;
    for (int64_t t = 0; t < tokens; ++t) {
        if (targets[static_cast<size_t>(t)] < 0) continue;
        double total = 0, chosen = 0;
        for (int64_t c = 0; c < classes; ++c) {
            double logit = 0;
            for (int64_t i = 0; i < width; ++i) {
                logit += double{x.get().f32()[t * width + i]} * head.get().f32()[c * width + i];
            }
            total += std::exp(logit);
            if (c == targets[static_cast<size_t>(t)]) chosen = logit;
        }
        sum += std::log(total) - chosen;
        ++counted;
    }
    for (const bool record : {false, true}) {
        Arena arena(1 << 16);
        Graph g(arena, {.record = record});
        std::vector<float> losses;
        const Var loss = cross_entropy(g, g.input(x, true), {head, {}}, targets, {.chunk = 4, .token_losses = &losses});
        EXPECT_NEAR(*loss->value.f32(), sum / counted, 1e-5);
        ASSERT_EQ(losses.size(), targets.size());
        EXPECT_EQ(losses[3], 0);
        EXPECT_GT(losses[4], 0);
    }
}

TEST(CrossEntropy, NothingCountedIsZero) {
    const OwnedTensor x = random_tensor({2, 3}, 1), head = random_tensor({4, 3}, 2);
    Arena arena(1 << 16);
    Graph g(arena, {.record = true});
    const Var in = g.input(x, true);
    const Var loss = cross_entropy(g, in, {head, {}}, std::vector<int32_t>{-1, -1});
    g.backward(loss);
    EXPECT_EQ(*loss->value.f32(), 0);
    for (const float d : floats(in->grad)) EXPECT_EQ(d, 0);
}

}  // namespace
}  // namespace gremium::ops
