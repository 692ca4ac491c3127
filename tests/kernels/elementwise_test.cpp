// Sums of tensors, embeddings, rows of other types, AdamW.
#include "kernels/rowwise/elementwise.h"
#include "base/error.h"
#include "kernels/quantised/rows.h"
#include "kernels/rowwise/adamw.h"
#include "kernels/rowwise/embedding.h"
#include "kernels/simd/rows.h"
#include "tests/kernels/numbers.h"

namespace gremium::kernels {
namespace {

class Elementwise : public EachVariant {};

TEST_P(Elementwise, Axpby) {
    for (const DType xt : {DType::f32, DType::bf16}) {
        for (const DType yt : {DType::f32, DType::bf16}) {
            for (const int64_t n : {1, 17, 40003}) {
                const OwnedTensor x = random_tensor(xt, {n}, 1), y = random_tensor(yt, {n}, 2);
                Doubles expected = doubles(y);
                const Doubles x64 = doubles(x);
                for (size_t i = 0; i < expected.size(); ++i) expected[i] = 0.5 * x64[i] - 2 * expected[i];
                axpby(y, x, 0.5f, -2);
                expect_near(y, expected, 1e-6);
            }
        }
    }
}

TEST_P(Elementwise, BiasAndItsGradient) {
    for (const int64_t cols : {1, 3, 64, 255}) {
        const int64_t rows = 301;
        const OwnedTensor y = random_tensor(DType::bf16, {rows, cols}, 1), bias = random_tensor(DType::f32, {cols}, 2);
        const OwnedTensor dbias = random_tensor(DType::f32, {cols}, 3);
        Doubles expected = doubles(y), sums = doubles(dbias);
        const Doubles b = doubles(bias);
        sum_rows(dbias, y);
        add_bias(y, bias);
        for (size_t i = 0; i < expected.size(); ++i) {
            sums[i % b.size()] += expected[i];
            expected[i] += b[i % b.size()];
        }
        expect_near(y, expected);
        expect_near(dbias, sums, 1e-5);
    }
}

TEST_P(Elementwise, SumsDoNotDependOnThreads) {
    const OwnedTensor x = random_tensor(DType::f32, {1001, 67}, 1);
    expect_same_bits_for_any_threads([&] {
        OwnedTensor out(DType::f32, {68});
        sum_rows(out, x);
        out.get().f32()[67] = static_cast<float>(sum_of_squares(x));
        return out;
    });
}

TEST_P(Elementwise, SumOfSquares) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
        for (const int64_t n : {0, 1, 15, 16385, 70001}) {
            const OwnedTensor x = random_tensor(dtype, {n}, 1, 1e10);  // squares beyond what f32 sums would keep
            const Doubles x64 = doubles(x);
            EXPECT_NEAR(sum_of_squares(x), dot(x64, x64), 1e-12 * dot(x64, x64));
        }
    }
}

TEST_P(Elementwise, RowsOfEveryTypeAreReadExactly) {
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0}) {
        for (const int64_t n : {32, 160, 19}) {
            if (n % info(dtype).block != 0) continue;
            const OwnedTensor t = random_tensor(dtype, {n}, 1);
            std::vector<float> row(static_cast<size_t>(n) + 1, 77);
            load_weights(dtype, t.get().data, row.data(), n);
            EXPECT_EQ(row.back(), 77) << "wrote past the end";
            row.pop_back();
            EXPECT_EQ(row, to_floats(t));
        }
    }
}

TEST_P(Elementwise, Bf16RoundsToNearestEven) {
    const std::vector<float> in{1.00390625f, 1.01171875f, -1.00390625f, 0,       -0.f,      1e-40f,
                                3.4e38f,     INFINITY,    -INFINITY,    1.1f,    2.7f,      1e-20f,
                                -5.5f,       1.0039063f,  0.99f,        65504.f, 12345.678f};
    std::vector<uint16_t> out(in.size() + 1, 0x7777);
    store_row(DType::bf16, in.data(), reinterpret_cast<std::byte*>(out.data()), static_cast<int64_t>(in.size()));
    for (size_t i = 0; i < in.size(); ++i) EXPECT_EQ(out[i], f32_to_bf16(in[i])) << in[i];
    EXPECT_EQ(out[0], 0x3F80);  // half way between 1 and the next: even is 1
    EXPECT_EQ(out.back(), 0x7777);
    const float nan = NAN;
    store_row(DType::bf16, &nan, reinterpret_cast<std::byte*>(out.data()), 1);
    EXPECT_TRUE(std::isnan(bf16_to_f32(out[0])));
}

TEST_P(Elementwise, Embedding) {
    const std::vector<int32_t> ids{3, 0, 3, 9};
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0}) {
        const OwnedTensor table = random_tensor(dtype, {10, 96}, 1), y(DType::f32, {4, 96}), y16(DType::bf16, {4, 96});
        embedding(y, table, ids);
        embedding(y16, table, ids);
        const Doubles rows = doubles(table);
        Doubles expected;
        for (const int32_t id : ids)
            expected.insert(expected.end(), rows.begin() + 96 * id, rows.begin() + 96 * (id + 1));
        expect_near(y, expected, 0);
        expect_near(y16, expected, 0);
    }
}

TEST_P(Elementwise, EmbeddingBackwardAddsInTokenOrder) {
    for (const int64_t cols : {1, 17, 300}) {
        const OwnedTensor dy = random_tensor(DType::f32, {200, cols}, 1),
                          before = random_tensor(DType::f32, {7, cols}, 2);
        std::vector<int32_t> ids(200);
        for (size_t t = 0; t < ids.size(); ++t) ids[t] = static_cast<int32_t>(t * t % 5);
        const OwnedTensor expected = copy(before);
        for (size_t t = 0; t < ids.size(); ++t) {
            for (int64_t i = 0; i < cols; ++i) {
                expected.get().f32()[ids[t] * cols + i] += dy.get().f32()[static_cast<int64_t>(t) * cols + i];
            }
        }
        expect_same_bits_for_any_threads([&] {
            OwnedTensor dtable = copy(before);
            embedding_backward(dtable, dy, ids);
            EXPECT_EQ(to_floats(dtable), to_floats(expected));
            return dtable;
        });
    }
}

TEST_P(Elementwise, TokensOutsideTheTableAreErrors) {
    const OwnedTensor table(DType::f32, {3, 4}), y(DType::f32, {1, 4});
    for (const int32_t id : {-1, 3}) {
        EXPECT_THROW(embedding(y, table, std::vector{id}), Error);
        EXPECT_THROW(embedding_backward(table, y, std::vector{id}), Error);
    }
}

TEST_P(Elementwise, AdamWFollowsThePaper) {
    const int64_t n = 20011;
    const OwnedTensor w = random_tensor(DType::f32, {n}, 1), m = random_tensor(DType::f32, {n}, 2, 0.1);
    const OwnedTensor v = random_tensor(DType::f32, {n}, 3, 0.1), g = random_tensor(DType::f32, {n}, 4),
                      shadow(DType::bf16, {n});
    for (int64_t i = 0; i < n; ++i) v.get().f32()[i] = std::abs(v.get().f32()[i]);
    v.get().f32()[0] = g.get().f32()[0] = m.get().f32()[0] = 0;  // a parameter without gradient only decays
    const AdamW o{.lr = 0.01f,
                  .eps = 1e-8f,
                  .decay = 0.1f,
                  .grad_scale = 0.5f,
                  .correction_m = 0.271f,
                  .correction_v = 0.142625f};
    Doubles w64 = doubles(w), m64 = doubles(m), v64 = doubles(v);
    const Doubles g64 = doubles(g);
    for (size_t i = 0; i < w64.size(); ++i) {
        const double grad = g64[i] * o.grad_scale, beta1 = o.beta1, beta2 = o.beta2;
        m64[i] = beta1 * m64[i] + (1 - beta1) * grad;
        v64[i] = beta2 * v64[i] + (1 - beta2) * grad * grad;
        w64[i] -= o.lr * (m64[i] / o.correction_m / (std::sqrt(v64[i] / o.correction_v) + o.eps) + o.decay * w64[i]);
    }
    adamw(w, m, v, g, shadow, o);
    expect_near(w, w64, 1e-6);
    expect_near(m, m64, 1e-6);
    expect_near(v, v64, 1e-6);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(shadow.get().bf16()[i], f32_to_bf16(w.get().f32()[i]));
    adamw(w, m, v, g, {}, o);  // the shadow is optional
}

GREMIUM_EACH_VARIANT(Elementwise);

}  // namespace
}  // namespace gremium::kernels
