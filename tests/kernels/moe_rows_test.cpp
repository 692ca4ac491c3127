#include "kernels/rowwise/moe_rows.h"

#include "tests/kernels/numbers.h"

namespace gremium::kernels {
namespace {

class MoeRows : public EachVariant {};

constexpr int64_t tokens = 9, top_k = 3, rows = 20;

// Each row belongs to one choice; the other choices are dropped.
std::vector<int32_t> some_table() {
    std::vector<int32_t> table(tokens * top_k, -1);
    for (int32_t r = 0; r < rows; ++r) table[static_cast<size_t>(r * 13 % (tokens * top_k))] = r;
    return table;
}

TEST_P(MoeRows, Combine) {
    const std::vector<int32_t> table = some_table();
    const OwnedTensor weights = random_tensor(DType::f32, {tokens, top_k}, 3);
    for (const int64_t cols : {1, 7, 16, 67}) {
        for (const DType dtype : {DType::f32, DType::bf16}) {
            for (const bool weighted : {true, false}) {
                for (const bool accumulate : {true, false}) {
                    const OwnedTensor x = random_tensor(dtype, {rows, cols}, 1),
                                      y = random_tensor(dtype, {tokens, cols}, 2);
                    Doubles expected = doubles(y);
                    if (!accumulate) std::ranges::fill(expected, 0);
                    const Doubles in = doubles(x);
                    for (size_t i = 0; i < table.size(); ++i) {
                        for (int64_t c = 0; c < cols && table[i] >= 0; ++c) {
                            const auto at = static_cast<size_t>(static_cast<int64_t>(i) / top_k * cols + c);
                            const double weight = weighted ? weights.get().f32()[i] : 1;
                            expected[at] += weight * in[static_cast<size_t>(table[i] * cols + c)];
                        }
                    }
                    combine_rows(y, x, table, weighted ? weights.get().view() : TensorView{}, accumulate);
                    expect_near(y, expected);
                }
            }
        }
    }
}

TEST_P(MoeRows, CombineBackward) {
    const std::vector<int32_t> table = some_table();
    const OwnedTensor weights = random_tensor(DType::f32, {tokens, top_k}, 3);
    for (const int64_t cols : {1, 7, 16, 67}) {
        for (const DType dtype : {DType::f32, DType::bf16}) {
            const OwnedTensor x = random_tensor(dtype, {rows, cols}, 1), dy = random_tensor(dtype, {tokens, cols}, 2);
            const OwnedTensor dx(dtype, {rows, cols}), dweights = random_tensor(DType::f32, {tokens, top_k}, 4);
            Doubles expected_dx(static_cast<size_t>(rows * cols)), expected_dweights = doubles(dweights);
            const Doubles in = doubles(x), grad = doubles(dy);
            for (size_t i = 0; i < table.size(); ++i) {
                for (int64_t c = 0; c < cols && table[i] >= 0; ++c) {
                    const double d = grad[static_cast<size_t>(static_cast<int64_t>(i) / top_k * cols + c)];
                    const auto at = static_cast<size_t>(table[i] * cols + c);
                    expected_dx[at] = weights.get().f32()[i] * d;
                    expected_dweights[i] += d * in[at];
                }
            }
            combine_rows_backward(dx, dweights, dy, x, table, weights);
            expect_near(dx, expected_dx);
            expect_near(dweights, expected_dweights, 1e-5);
        }
    }
}

TEST_P(MoeRows, ThreadsChangeNoBit) {
    const int64_t many = 3000, cols = 96;
    std::vector<int32_t> table(static_cast<size_t>(many * 2));
    for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<int32_t>(i * 7 % table.size());
    const OwnedTensor x = random_tensor(DType::f32, {many * 2, cols}, 1),
                      weights = random_tensor(DType::f32, {many, 2}, 2);
    expect_same_bits_for_any_threads([&] {
        OwnedTensor y(DType::f32, {many, cols});
        combine_rows(y, x, table, weights);
        return y;
    });
}

GREMIUM_EACH_VARIANT(MoeRows);

}  // namespace
}  // namespace gremium::kernels
