#include "kernels/attention/attention.h"

#include <map>

#include "base/error.h"
#include "kernels/matmul/leaf.h"
#include "kernels/simd/cpu.h"
#include "tests/kernels/numbers.h"

namespace gremium::kernels {
namespace {

class Attention : public EachVariant {};

// One sequence in float64, by the textbook: all scores, softmax, weighted sum.
struct Sequence {
    AttentionShape shape;
    int64_t queries, first;
    Doubles q, k, v;  // [queries, heads, head_dim], [keys, kv_heads, head_dim], [keys, kv_heads, value_dim]

    int64_t keys() const { return first + queries; }
    bool sees(int64_t i, int64_t j) const {
        if (!shape.causal) return true;
        const int64_t position = first + i;
        if (shape.chunk > 0 && j / shape.chunk != position / shape.chunk) return false;
        return j <= position && (shape.window == 0 || position - j < shape.window);
    }
    const double* query(int64_t i, int64_t h) const {
        return &q[static_cast<size_t>((i * shape.heads + h) * shape.head_dim)];
    }
    size_t key_at(int64_t j, int64_t h) const {
        return static_cast<size_t>((j * shape.kv_heads + h * shape.kv_heads / shape.heads) * shape.head_dim);
    }
    size_t value_at(int64_t j, int64_t h) const {
        return static_cast<size_t>((j * shape.kv_heads + h * shape.kv_heads / shape.heads) * shape.value_dim);
    }
    // Probabilities of head h for query i over all keys; its logsumexp through `lse`.
    Doubles probabilities(int64_t i, int64_t h, double* lse = nullptr) const {
        Doubles p(static_cast<size_t>(keys()));
        double sum = shape.sinks ? std::exp(double{shape.sinks[h]}) : 0;
        for (int64_t j = 0; j < keys(); ++j) {
            if (!sees(i, j)) continue;
            double score = 0;
            for (int64_t c = 0; c < shape.head_dim; ++c)
                score += query(i, h)[c] * k[key_at(j, h) + static_cast<size_t>(c)];
            score *= static_cast<double>(shape.scale);
            if (shape.bias) score += shape.bias[h * shape.bias_stride + shape.bias_zero + j - first - i];
            sum += p[static_cast<size_t>(j)] = std::exp(score);
        }
        for (double& x : p) x /= sum;
        if (lse) *lse = std::log(sum);
        return p;
    }
    Doubles forward(Doubles* lse = nullptr) const {
        Doubles out(static_cast<size_t>(queries * shape.heads * shape.value_dim));
        if (lse) lse->resize(static_cast<size_t>(queries * shape.heads));
        for (int64_t i = 0; i < queries; ++i) {
            for (int64_t h = 0; h < shape.heads; ++h) {
                const Doubles p =
                    probabilities(i, h, lse ? &(*lse)[static_cast<size_t>(i * shape.heads + h)] : nullptr);
                double* y = &out[static_cast<size_t>((i * shape.heads + h) * shape.value_dim)];
                for (int64_t j = 0; j < keys(); ++j) {
                    for (int64_t c = 0; c < shape.value_dim; ++c)
                        y[c] += p[static_cast<size_t>(j)] * v[value_at(j, h) + static_cast<size_t>(c)];
                }
            }
        }
        return out;
    }
};

struct Gradients {
    Doubles q, k, v;
};

// The chain rule through the softmax, dS = P ⊙ (dP − Σ P ⊙ dP), without any help of the forward's results.
Gradients backward_64(const Sequence& s, const Doubles& dout) {
    Gradients g{Doubles(s.q.size()), Doubles(s.k.size()), Doubles(s.v.size())};
    for (int64_t i = 0; i < s.queries; ++i) {
        for (int64_t h = 0; h < s.shape.heads; ++h) {
            const Doubles p = s.probabilities(i, h);
            const double* dy = &dout[static_cast<size_t>((i * s.shape.heads + h) * s.shape.value_dim)];
            Doubles dp(p.size());
            for (size_t j = 0; j < p.size(); ++j) {
                const size_t value = s.value_at(static_cast<int64_t>(j), h);
                for (size_t c = 0; c < static_cast<size_t>(s.shape.value_dim); ++c) {
                    dp[j] += dy[c] * s.v[value + c];
                    g.v[value + c] += p[j] * dy[c];
                }
            }
            const double mean = dot(p, dp);
            const size_t query = static_cast<size_t>((i * s.shape.heads + h) * s.shape.head_dim);
            for (size_t j = 0; j < p.size(); ++j) {
                const double ds = p[j] * (dp[j] - mean) * static_cast<double>(s.shape.scale);
                const size_t key = s.key_at(static_cast<int64_t>(j), h);
                for (size_t c = 0; c < static_cast<size_t>(s.shape.head_dim); ++c) {
                    g.q[query + c] += ds * s.k[key + c];
                    g.k[key + c] += ds * s.q[query + c];
                }
            }
        }
    }
    return g;
}

struct Case {
    int64_t heads, kv_heads, head_dim, value_dim, queries;
    int64_t first = 0, window = 0;
    DType dtype = DType::f32, cache = DType::f32;
    int64_t chunk = 0;
    bool sinks = false, shared = false;  // shared: values are part of the keys
    bool causal = true, biased = false;
    DType compute = DType::f32;
    AttentionShape shape() const {
        constexpr int64_t reach = 3000;
        static const std::vector<float> bias = to_floats(random_tensor(DType::f32, {12, 2 * reach}, 9));
        static const std::vector<float> sink{1.5f, -2, 3, 0.2f, 0, 2, -1, 1, 0.5f, 4, -3, 2.5f};
        return {heads,
                kv_heads,
                head_dim,
                value_dim,
                1 / std::sqrt(static_cast<float>(head_dim)),
                window,
                chunk,
                sinks ? sink.data() : nullptr,
                causal,
                biased ? bias.data() : nullptr,
                2 * reach,
                reach,
                compute};
    }
    // How far from float64 a result may be: bf16 has 8 bits.
    double tolerance() const { return compute == DType::bf16 && active() != Variant::reference ? 1e-2 : 3e-6; }
    // The values that an independent computation multiplies with.
    TensorView values(TensorView v) const { return shared ? TensorView{} : v; }
};

// The first `count` numbers of each head of [rows, heads, width].
Doubles first_of_heads(const Doubles& x, int64_t width, int64_t count) {
    Doubles out;
    for (size_t i = 0; i < x.size(); ++i)
        if (static_cast<int64_t>(i) % width < count) out.push_back(x[i]);
    return out;
}

Doubles rows_of(TensorView t, int64_t begin, int64_t count) {
    const Doubles all = doubles(t);
    return {all.begin() + begin * t.cols(), all.begin() + (begin + count) * t.cols()};
}

const Case forward_cases[] = {
    {1, 1, 16, 16, 1},
    {1, 1, 1, 1, 3},
    {2, 1, 3, 5, 7},
    {2, 2, 64, 64, 130},
    {4, 2, 32, 32, 257},
    {4, 1, 17, 17, 65},
    {3, 3, 40, 24, 64},
    {2, 1, 255, 255, 31},
    {2, 1, 256, 128, 40, 77},
    {4, 2, 64, 64, 200, 0, 50},
    {2, 1, 32, 32, 100, 300, 33},
    {2, 2, 16, 16, 300, 0, 1},
    {4, 2, 64, 64, 150, 0, 0, DType::bf16, DType::bf16},
    {4, 2, 64, 64, 33, 100, 0, DType::f32, DType::f16},
    {8, 2, 64, 64, 1, 700, 0, DType::bf16, DType::f16},  // decode
    {8, 1, 128, 128, 1, 2500},
    {6, 6, 33, 48, 1, 2200, 1500},
    {12, 1, 64, 64, 3, 1500, 0, DType::f32, DType::bf16},
    {2, 1, 96, 64, 1, 0},
    {4, 2, 64, 64, 200, 0, 0, DType::f32, DType::f32, 70},
    {2, 1, 32, 32, 100, 300, 0, DType::f32, DType::f16, 33},
    {2, 2, 16, 16, 1, 2200, 0, DType::f32, DType::f32, 1500, true},
    {4, 1, 32, 32, 130, 0, 0, DType::f32, DType::f32, 0, true},
    {12, 2, 16, 24, 2, 2100, 40, DType::f32, DType::f32, 0, true},
    {8, 2, 64, 64, 1, 2100, 0, DType::bf16, DType::f16, 0, true},
    {6, 1, 40, 24, 90, 0, 0, DType::f32, DType::f32, 0, false, true},
    {4, 1, 72, 64, 1, 1300, 0, DType::f32, DType::bf16, 0, true, true},
    {4, 2, 64, 32, 70, 30, 0, DType::f32, DType::q8_0},
    {8, 2, 32, 64, 1, 1500, 0, DType::f32, DType::q8_0, 0, true},
    {4, 1, 96, 64, 2, 600, 100, DType::bf16, DType::q8_0, 0, false, true},
    {2, 1, 24, 24, 70, 0, 0, DType::f32, DType::f32, 0, false, false, false},
    {12, 4, 16, 16, 45, 30, 0, DType::f32, DType::f32, 0, false, false, true, true},
    {4, 4, 32, 32, 1, 1100, 0, DType::f32, DType::f16, 0, false, false, false, true},
};

// The same with products of bf16: more keys than a block holds, odd sizes, everything that hides or adds to scores.
std::vector<Case> rounded_cases() {
    std::vector<Case> cases = {
        {8, 1, 128, 128, 40, 500},
        {2, 2, 64, 64, 600},
        {4, 2, 17, 33, 301},
        {3, 1, 1, 1, 20, 10},
        {2, 1, 255, 96, 31, 257},
        {2, 1, 576, 512, 40, 300, 0, DType::f32, DType::f32, 0, false, true},  // more units than a panel has
        {4, 2, 64, 64, 200, 400, 50},
        {4, 2, 64, 64, 200, 400, 300, DType::bf16, DType::bf16, 0, true},
        {2, 1, 32, 32, 100, 300, 0, DType::f32, DType::f16, 33},
        {4, 2, 32, 32, 300, 0, 0, DType::f32, DType::f32, 270, true},
        {4, 2, 64, 32, 270, 30, 0, DType::f32, DType::q8_0},
        {6, 1, 40, 24, 90, 0, 0, DType::f32, DType::f32, 0, false, true},
        {2, 1, 24, 24, 300, 0, 0, DType::f32, DType::f32, 0, true, false, false},
        {12, 4, 16, 16, 345, 30, 0, DType::f32, DType::f32, 0, false, false, true, true},
        {4, 4, 32, 32, 100, 211, 0, DType::f32, DType::f16, 0, false, false, false, true},
        {8, 2, 64, 64, 1, 700},  // decode
    };
    for (Case& c : cases) c.compute = DType::bf16;
    return cases;
}

// The same for every variant: computed by the first that asks.
template <typename Value, typename Compute>
const Value& once(std::map<int64_t, Value>& known, int64_t index, Compute&& compute) {
    auto at = known.find(index);
    if (at == known.end()) at = known.emplace(index, compute()).first;
    return at->second;
}

struct Truth {
    Doubles out, lse;
};

void expect_forward(std::span<const Case> cases, std::map<int64_t, Truth>& truths) {
    for (const Case& c : cases) {
        // rows of other sequences around ours stay as they are
        const int64_t keys = c.first + c.queries, pad = 2;
        const OwnedTensor q = random_tensor(c.dtype, {pad + c.queries + 1, c.heads * c.head_dim}, 1);
        const OwnedTensor k = random_tensor(c.cache, {keys, c.kv_heads * c.head_dim}, 2);
        const OwnedTensor v = random_tensor(c.cache, {keys, c.kv_heads * c.value_dim}, 3);
        const OwnedTensor out = random_tensor(c.dtype, {pad + c.queries + 1, c.heads * c.value_dim}, 4);
        const OwnedTensor lse = random_tensor(DType::f32, {pad + c.queries + 1, c.heads}, 5);
        const Doubles out_before = doubles(out);
        const AttentionSpan span{pad, c.queries, c.first, k, c.values(v)};
        attention(out, lse, q, {&span, 1}, c.shape());

        const Truth& truth = once(truths, &c - cases.data(), [&] {
            Truth fresh;
            const Doubles values = c.shared ? first_of_heads(doubles(k), c.head_dim, c.value_dim) : doubles(v);
            const Sequence sequence{c.shape(), c.queries, c.first, rows_of(q, pad, c.queries), doubles(k), values};
            fresh.out = sequence.forward(&fresh.lse);
            return fresh;
        });
        Doubles expected = truth.out;
        const Doubles& lse_64 = truth.lse;
        const std::string what = std::to_string(&c - cases.data());
        expected.insert(expected.begin(), out_before.begin(), out_before.begin() + pad * out.get().cols());
        expected.insert(expected.end(), out_before.end() - out.get().cols(), out_before.end());
        expect_near(out, expected, c.tolerance(), what);
        const Doubles logs = rows_of(lse, pad, c.queries);
        for (size_t i = 0; i < logs.size(); ++i)
            ASSERT_NEAR(logs[i], lse_64[i], c.tolerance() * (1 + std::abs(lse_64[i]))) << what;
        attention(out, {}, q, {&span, 1}, c.shape());
        expect_near(out, expected, c.tolerance(), what);
    }
}

TEST_P(Attention, Forward) {
    static std::map<int64_t, Truth> truths;
    expect_forward(forward_cases, truths);
}

TEST_P(Attention, ForwardWithRoundedProducts) {
    static std::map<int64_t, Truth> truths;
    static const std::vector<Case> cases = rounded_cases();
    expect_forward(cases, truths);
}

// Whoever asks for f32 gets it; bf16 is another computation only where there is arithmetic for it.
TEST_P(Attention, RoundsWhereThereIsArithmetic) {
    const OwnedTensor q = random_tensor(DType::f32, {40, 64}, 1), k = random_tensor(DType::f32, {40, 64}, 2);
    OwnedTensor exact(DType::f32, {40, 64}), rounded(DType::f32, {40, 64});
    Case c{1, 1, 64, 64, 40};
    const AttentionSpan span{0, 40, 0, k, k};
    attention(exact, {}, q, {&span, 1}, c.shape());
    c.compute = DType::bf16;
    attention(rounded, {}, q, {&span, 1}, c.shape());
    const bool has_bf16 = active() == Variant::amx || (active() == Variant::avx512 && has_avx512_bf16());
    EXPECT_EQ(to_floats(exact) != to_floats(rounded), has_bf16);
}

TEST_P(Attention, LargeScoresDoNotOverflow) {
    const Case c{1, 1, 16, 16, 70};
    const OwnedTensor q = random_tensor(DType::f32, {70, 16}, 1, 100), k = random_tensor(DType::f32, {70, 16}, 2, 100);
    const OwnedTensor v = random_tensor(DType::f32, {70, 16}, 3), out(DType::f32, {70, 16});
    const AttentionSpan span{0, 70, 0, k, v};
    attention(out, {}, q, {&span, 1}, c.shape());
    for (int64_t i = 0; i < 70 * 16; ++i) ASSERT_LE(std::abs(out.get().f32()[i]), 6);
}

TEST_P(Attention, SequencesOfABatchAreIndependent) {
    const AttentionShape shape = Case{4, 2, 32, 32, 0}.shape();
    const OwnedTensor q = random_tensor(DType::f32, {90, 128}, 1), out(DType::f32, {90, 128}),
                      alone(DType::f32, {90, 128});
    const OwnedTensor k0 = random_tensor(DType::f32, {60, 64}, 2), k1 = random_tensor(DType::f16, {1030, 64}, 3);
    const AttentionSpan spans[] = {{0, 60, 0, k0, k0}, {60, 0, 7, k0, k0}, {60, 30, 1000, k1, k1}};
    attention(out, {}, q, spans, shape);
    for (const AttentionSpan& span : spans) attention(alone, {}, q, {&span, 1}, shape);
    EXPECT_EQ(to_floats(out), to_floats(alone));
}

TEST_P(Attention, ChunkedPrefillEqualsOneShot) {
    for (const int64_t window : {0, 70}) {
        const AttentionShape shape = Case{4, 2, 64, 64, 0, 0, window}.shape();
        const int64_t keys = 333;
        const OwnedTensor q = random_tensor(DType::f32, {keys, 256}, 1), k = random_tensor(DType::f32, {keys, 128}, 2);
        const OwnedTensor v = random_tensor(DType::f32, {keys, 128}, 3), whole(DType::f32, {keys, 256}),
                          parts(DType::f32, {keys, 256});
        const AttentionSpan all{0, keys, 0, k, v};
        attention(whole, {}, q, {&all, 1}, shape);
        for (int64_t first = 0, n; first < keys; first += n) {
            n = std::min<int64_t>(first % 5 == 0 ? 1 : 77, keys - first);
            const auto seen = [&](const OwnedTensor& t) {
                return TensorView{t.get().data, DType::f32, {first + n, 128}};
            };
            const AttentionSpan part{first, n, first, seen(k), seen(v)};
            attention(parts, {}, q, {&part, 1}, shape);
        }
        const std::vector<float> a = to_floats(whole), b = to_floats(parts);
        for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-5);
    }
}

struct Training {
    Case c;
    int64_t sequences;
    OwnedTensor q, k, v, dout, out, lse, dq, dk, dv;

    Training(const Case& shape_of, int64_t batch) : c(shape_of), sequences(batch) {
        const int64_t rows = batch * c.queries;
        q = random_tensor(c.dtype, {rows, c.heads * c.head_dim}, 1);
        k = random_tensor(c.dtype, {rows, c.kv_heads * c.head_dim}, 2);
        v = random_tensor(c.dtype, {rows, c.kv_heads * c.value_dim}, 3);
        dout = random_tensor(DType::f32, {rows, c.heads * c.value_dim}, 4);
        out = OwnedTensor(DType::f32, {rows, c.heads * c.value_dim});
        lse = OwnedTensor(DType::f32, {rows, c.heads});
        dq = random_tensor(DType::f32, {rows, c.heads * c.head_dim}, 5);  // to be overwritten
        dk = random_tensor(DType::f32, {rows, c.kv_heads * c.head_dim}, 6);
        dv = random_tensor(DType::f32, {rows, c.kv_heads * c.value_dim}, 7);
        std::vector<AttentionSpan> spans;
        for (int64_t s = 0; s < batch; ++s)
            spans.push_back({s * c.queries, c.queries, 0, part(k, s), c.values(part(v, s))});
        attention(out, lse, q, spans, c.shape());
        attention_backward({.dq = dq,
                            .dk = dk,
                            .dv = c.shared ? Tensor{} : dv,
                            .dout = dout,
                            .out = out,
                            .lse = lse,
                            .q = q,
                            .k = k,
                            .v = c.values(v),
                            .sequence_length = c.queries,
                            .shape = c.shape()});
    }
    TensorView part(TensorView t, int64_t s) const { return {t.row(s * c.queries), t.dtype, {c.queries, t.cols()}}; }
    Sequence sequence(int64_t s) const {
        const Doubles keys = doubles(part(k, s));
        return {c.shape(), c.queries,
                0,         doubles(part(q, s)),
                keys,      c.shared ? first_of_heads(keys, c.head_dim, c.value_dim) : doubles(part(v, s))};
    }
};

TEST_P(Attention, BackwardEqualsCentralDifferences) {
    for (const Case& c : {Case{1, 1, 1, 1, 1}, Case{2, 1, 3, 2, 5}, Case{4, 2, 5, 3, 9, 0, 4}}) {
        const Training t(c, 2);
        for (int64_t s = 0; s < 2; ++s) {
            Sequence sequence = t.sequence(s);
            const Doubles dout = doubles(t.part(t.dout, s));
            const auto loss = [&] { return dot(dout, sequence.forward()); };
            expect_near(t.part(t.dq, s), gradient(sequence.q, loss), 5e-6);
            expect_near(t.part(t.dk, s), gradient(sequence.k, loss), 5e-6);
            expect_near(t.part(t.dv, s), gradient(sequence.v, loss), 5e-6);
        }
    }
}

const Case backward_cases[] = {
    {1, 1, 17, 17, 64},
    {2, 2, 64, 64, 130},
    {4, 2, 32, 32, 257},
    {4, 1, 40, 24, 65},
    {3, 3, 16, 48, 127},
    {2, 1, 128, 255, 33},
    {4, 2, 32, 32, 200, 0, 50},
    {70, 1, 8, 8, 9},
    {2, 1, 16, 16, 150, 0, 1},
    {4, 2, 32, 32, 150, 0, 0, DType::bf16},
    {2, 1, 40, 24, 70, 0, 0, DType::bf16, DType::bf16, 0, true},
    {2, 2, 32, 32, 600, 0, 0, DType::bf16},  // more rows than a panel holds
    {2, 2, 16, 16, 150, 0, 50, DType::bf16},
    {2, 1, 72, 64, 130, 0, 0, DType::bf16, DType::bf16, 40},
    {1, 1, 3, 5, 1, 0, 0, DType::bf16},
    {3, 1, 24, 24, 140, 0, 129},
    {4, 2, 32, 32, 150, 0, 0, DType::f32, DType::f32, 40},
    {4, 2, 32, 32, 130, 0, 0, DType::f32, DType::f32, 0, true},
    {6, 1, 40, 24, 100, 0, 0, DType::f32, DType::f32, 0, true, true},
};

TEST_P(Attention, Backward) {
    static std::map<int64_t, Gradients> truths;
    for (const Case& c : backward_cases) {
        const Training t(c, 2);
        const std::string what = std::to_string(&c - backward_cases);
        // Tiles of bf16 round P and dS too.
        const bool tiles = c.dtype == DType::bf16 && choose_leaf(DType::bf16, DType::bf16).panel == Panel::bf16;
        const double tolerance = tiles ? 2e-2 : 1e-5;
        for (int64_t s = 0; s < 2; ++s) {
            const Gradients& g = once(truths, 2 * (&c - backward_cases) + s,
                                      [&] { return backward_64(t.sequence(s), doubles(t.part(t.dout, s))); });
            Doubles dk = g.k;
            if (c.shared) {
                size_t next = 0;
                for (size_t i = 0; i < dk.size(); ++i)
                    if (static_cast<int64_t>(i) % c.head_dim < c.value_dim) dk[i] += g.v[next++];
            }
            expect_near(t.part(t.dq, s), g.q, tolerance, what + " dq");
            expect_near(t.part(t.dk, s), dk, tolerance, what + " dk");
            if (!c.shared) expect_near(t.part(t.dv, s), g.v, tolerance, what + " dv");
        }
    }
}

TEST_P(Attention, SinksGetTheirGradient) {
    const Training t({4, 2, 8, 8, 9, 0, 0, DType::f32, DType::f32, 4, true}, 2);
    std::vector<float> sinks(t.c.shape().sinks, t.c.shape().sinks + 4), actual(4, 0.5f);
    attention_sinks_backward(as_tensor(actual.data(), {4}), t.dout, t.out, t.lse, t.c.shape());
    for (size_t h = 0; h < 4; ++h) {
        const auto loss = [&](float step) {
            std::vector<float> moved = sinks;
            moved[h] += step;
            double sum = 0;
            for (int64_t s = 0; s < 2; ++s) {
                Sequence sequence = t.sequence(s);
                sequence.shape.sinks = moved.data();
                sum += dot(doubles(t.part(t.dout, s)), sequence.forward());
            }
            return sum;
        };
        const double up = double{sinks[h] + 1e-2f} - (sinks[h] - 1e-2f);
        EXPECT_NEAR(actual[h], 0.5 + (loss(1e-2f) - loss(-1e-2f)) / up, 2e-3);
    }
}

TEST_P(Attention, NoBitDependsOnThreads) {
    const Case training{4, 2, 32, 32, 150};
    expect_same_bits_for_any_threads([&] { return Training(training, 3).out; });
    expect_same_bits_for_any_threads([&] { return Training(training, 3).dq; });
    expect_same_bits_for_any_threads([&] { return Training(training, 3).dk; });
    expect_same_bits_for_any_threads([&] { return Training(training, 3).dv; });
    for (const int64_t queries : {1, 3, 40, 161, 500}) {
        Case c{4, 1, 64, 64, 0, 0, 190};
        if (queries == 500) c.compute = DType::bf16;
        const AttentionShape shape = c.shape();
        const OwnedTensor q = random_tensor(DType::f32, {queries, 256}, 1),
                          k = random_tensor(DType::f16, {2100 + queries, 64}, 2);
        expect_same_bits_for_any_threads([&] {
            OwnedTensor out(DType::f32, {queries, 256});
            const AttentionSpan span{0, queries, 2100, k, k};
            attention(out, {}, q, {&span, 1}, shape);
            return out;
        });
    }
}

TEST_P(Attention, HeadsThatDoNotDivideAreAnError) {
    const OwnedTensor t(DType::f32, {1, 48});
    const AttentionSpan span{0, 1, 0, t, t};
    EXPECT_THROW(
        attention(t, {}, t, {&span, 1}, {.heads = 3, .kv_heads = 2, .head_dim = 16, .value_dim = 16, .scale = 1}),
        Error);
}

GREMIUM_EACH_VARIANT(Attention);

}  // namespace
}  // namespace gremium::kernels
