// Every variant of the three products against sums in float64, over one table of cases.
#include "kernels/matmul/grouped_matmul.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "base/random.h"
#include "kernels/simd/variant.h"
#include "tensor/arena.h"
#include "tensor/quantised/blocks.h"

namespace gremium::kernels {
namespace {

struct Case {
    std::string name;
    int64_t K, N;
    std::vector<int32_t> group_rows;
    int64_t sources = 0;  // rows of x that are gathered from; 0: no gather
    DType x = DType::f32, w = DType::f32, y = DType::f32, compute = DType::f32;
    bool accumulate = false, fine = false;
};

constexpr DType unpacked[] = {DType::f8_e4m3, DType::q8_0,    DType::q4_0,  DType::q4_1,  DType::q5_0,    DType::q5_1,
                              DType::iq4_nl,  DType::mxfp4,   DType::q2_k,  DType::q3_k,  DType::q4_k,    DType::q5_k,
                              DType::q6_k,    DType::iq4_xs,  DType::iq1_s, DType::iq1_m, DType::iq2_xxs, DType::iq2_xs,
                              DType::iq2_s,   DType::iq3_xxs, DType::iq3_s, DType::tq1_0, DType::tq2_0,   DType::nvfp4,
                              DType::q1_0,    DType::q2_0};

std::vector<Case> named_cases() {
    using enum DType;
    return {
        {.name = "one_by_one", .K = 1, .N = 1, .group_rows = {1}},
        {.name = "one_row", .K = 64, .N = 33, .group_rows = {1}},
        {.name = "odd", .K = 37, .N = 41, .group_rows = {5, 0, 19, 1}},
        {.name = "odd_bf16",
         .K = 37,
         .N = 41,
         .group_rows = {5, 0, 19, 1},
         .x = bf16,
         .w = bf16,
         .y = bf16,
         .compute = bf16},
        {.name = "gathered", .K = 96, .N = 80, .group_rows = {17, 3, 40, 8}, .sources = 31},
        {.name = "gathered_bf16",
         .K = 96,
         .N = 80,
         .group_rows = {17, 3, 40, 8},
         .sources = 31,
         .w = bf16,
         .compute = bf16},
        {.name = "all_rows_on_one_group", .K = 64, .N = 64, .group_rows = {0, 0, 65, 0}, .x = bf16, .compute = bf16},
        {.name = "all_groups_empty", .K = 32, .N = 16, .group_rows = {0, 0}},
        {.name = "whole_tiles", .K = 256, .N = 128, .group_rows = {224, 224}, .x = bf16, .w = bf16, .compute = bf16},
        {.name = "several_blocks", .K = 530, .N = 270, .group_rows = {260, 2}},
        {.name = "several_blocks_bf16", .K = 1111, .N = 270, .group_rows = {270, 3}, .y = bf16, .compute = bf16},
        {.name = "accumulate", .K = 300, .N = 70, .group_rows = {20, 4, 0}, .accumulate = true},
        {.name = "accumulate_bf16",
         .K = 530,
         .N = 70,
         .group_rows = {20, 1, 0},
         .x = bf16,
         .y = bf16,
         .compute = bf16,
         .accumulate = true},
        {.name = "f32_to_bf16", .K = 48, .N = 56, .group_rows = {16, 3}, .y = bf16},
        {.name = "bf16_in_f32", .K = 48, .N = 56, .group_rows = {16, 3}, .x = bf16, .w = bf16},
        {.name = "f16", .K = 53, .N = 39, .group_rows = {16, 4, 1}, .w = f16},
        {.name = "f16_bf16", .K = 53, .N = 39, .group_rows = {16, 4, 1}, .w = f16, .compute = bf16},
        {.name = "q8_0", .K = 288, .N = 45, .group_rows = {16, 4, 1, 3}, .sources = 9, .w = q8_0},
        {.name = "q8_0_bf16",
         .K = 544,
         .N = 45,
         .group_rows = {16, 4, 1, 3},
         .x = bf16,
         .w = q8_0,
         .y = bf16,
         .compute = bf16},
        {.name = "q4_0", .K = 544, .N = 45, .group_rows = {16, 4, 2, 1}, .w = q4_0},
        {.name = "q4_0_bf16",
         .K = 64,
         .N = 45,
         .group_rows = {16, 4, 1},
         .w = q4_0,
         .compute = bf16,
         .accumulate = true},
        {.name = "many_experts",
         .K = 64,
         .N = 48,
         .group_rows = std::vector<int32_t>(24, 7),
         .sources = 60,
         .x = bf16,
         .compute = bf16},
    };
}

const std::vector<Case>& cases() {
    static const std::vector<Case> table = [] {
        std::vector<Case> all = named_cases();
        for (const DType type : unpacked) {  // K: one block of the panels and a part
            for (const DType compute : {DType::f32, DType::bf16})
                all.push_back({.name = fmt::format("{}_in_{}", info(type).name, info(compute).name),
                               .K = compute == DType::f32 ? 512 : 768,
                               .N = 37,
                               .group_rows = {16, 1, 2},
                               .sources = 9,
                               .w = type,
                               .compute = compute});
            const bool several_blocks = type == DType::q4_0 || type == DType::q4_k || type == DType::q6_k;
            for (const DType x : {DType::f32, DType::bf16})  // rows that are rounded
                all.push_back({.name = fmt::format("{}_by_rounded_{}", info(type).name, info(x).name),
                               .K = (info(type).block == 256 ? 256 : 256 + std::max(32, info(type).block)) *
                                    (several_blocks ? 4 : 1),
                               .N = 43,
                               .group_rows = {1, 0, 33, 3, 8, 2, 5},
                               .sources = x == DType::f32 ? 0 : 31,
                               .x = x,
                               .w = type,
                               .y = x,
                               .compute = DType::q8_0,
                               .accumulate = x == DType::bf16});
        }
        for (const DType type : {DType::q8_0, DType::q4_0, DType::q6_k})
            all.push_back({.name = fmt::format("{}_by_finely_rounded", info(type).name),
                           .K = 1024,
                           .N = 43,
                           .group_rows = {1, 0, 33, 3, 8, 2},
                           .sources = 31,
                           .w = type,
                           .compute = DType::q8_0,
                           .fine = true});
        return all;
    }();
    return table;
}

OwnedTensor random_tensor(DType dtype, Shape shape, uint64_t seed) {
    OwnedTensor out(dtype, shape);
    Random random(seed);
    std::vector<float> row(static_cast<size_t>(out.get().cols()));
    for (int64_t r = 0; r < out.get().rows(); ++r) {
        for (float& v : row) v = static_cast<float>(2 * random.uniform() - 1);
        quantise_row(dtype, row.data(), out.get().row(r), std::ssize(row));
    }
    return out;
}

std::vector<float> rounded(TensorView t, DType compute) {
    std::vector<float> out = to_floats(t);
    if (compute == DType::bf16) {
        for (float& v : out) v = bf16_to_f32(f32_to_bf16(v));
    }
    return out;
}

// To multiples of the 127th part of the largest of 32 neighbours.
std::vector<float> rounded_to_8_bits(TensorView t) {
    std::vector<float> out = to_floats(t);
    for (size_t i = 0; i < out.size(); i += 32) {
        const std::span<float> block(&out[i], 32);
        float largest = 0;
        for (const float v : block) largest = std::max(largest, std::fabs(v));
        for (float& v : block) v = std::nearbyint(v * (127 / largest)) * (largest / 127);
    }
    return out;
}

// The reference and kernels for one lane round nothing.
bool rounds_rows(const Case& c) {
    return c.compute == DType::q8_0 && !c.fine && is_quantised(c.w) && active() != Variant::reference &&
           dispatched_target() != "SCALAR";
}

// The tensors of a case, whatever the direction.
struct Problem {
    const Case& c;
    std::vector<int32_t> offsets{0}, rows;
    int64_t R;
    OwnedTensor x, dy, y, dx;
    std::vector<OwnedTensor> w, dw;
    std::vector<TensorView> w_views;
    std::vector<Tensor> dw_views;

    explicit Problem(const Case& c_) : c(c_) {
        for (const int32_t n : c.group_rows) offsets.push_back(offsets.back() + n);
        R = offsets.back();
        Random random(7);
        for (int64_t r = 0; c.sources && r < R; ++r) rows.push_back(static_cast<int32_t>(random.below(c.sources)));
        x = random_tensor(c.x, {c.sources ? c.sources : R, c.K}, 1);
        dy = random_tensor(c.x, {R, c.N}, 2);
        y = random_tensor(c.y, {R, c.N}, 3);
        dx = random_tensor(c.y, {R, c.K}, 4);
        for (size_t g = 0; g < c.group_rows.size(); ++g) {
            w.push_back(random_tensor(c.w, {c.N, c.K}, 10 + g));
            dw.push_back(random_tensor(DType::f32, {c.N, c.K}, 50 + g));
            w_views.push_back(w.back());
            dw_views.push_back(dw.back());
        }
    }
    int64_t source(int64_t r) const { return rows.empty() ? r : rows[static_cast<size_t>(r)]; }
    MatmulOptions options() const { return {.compute = c.compute, .accumulate = c.accumulate, .fine = c.fine}; }
    void forward() { grouped_matmul(y, x, rows, w_views, offsets, options()); }
    void backward() {
        if (c.compute == DType::q8_0) return;  // for running only
        if (is_float(c.w)) grouped_matmul_dx(dx, dy, w_views, offsets, options());
        grouped_matmul_dw(dw_views, dy, x, rows, offsets, options());
    }
};

struct Sum {
    double value = 0, magnitude = 0;  // Σ ab and Σ |ab|
};

template <typename A, typename B>
Sum sum_of_products(int64_t count, A&& a, B&& b) {
    Sum sum;
    for (int64_t i = 0; i < count; ++i) {
        const double product = static_cast<double>(a(i)) * static_cast<double>(b(i));
        sum.value += product;
        sum.magnitude += std::fabs(product);
    }
    return sum;
}

// What the three products are, element by element of y, dx and all the dw.
struct Truth {
    std::vector<Sum> y, dx, dw;

    explicit Truth(const Problem& p) {
        const int64_t K = p.c.K, N = p.c.N;
        const std::vector<float> x = rounds_rows(p.c) ? rounded_to_8_bits(p.x) : rounded(p.x, p.c.compute);
        const std::vector<float> dy = rounded(p.dy, p.c.compute);
        for (size_t g = 0; g < p.w.size(); ++g) {
            const std::vector<float> w = rounded(p.w[g], p.c.compute);
            const int64_t first = p.offsets[g], rows = p.offsets[g + 1] - first;
            for (int64_t r = first; r < first + rows; ++r) {
                const float *x_r = &x[p.source(r) * K], *dy_r = &dy[r * N];
                for (int64_t n = 0; n < N; ++n) {
                    y.push_back(sum_of_products(
                        K, [&](int64_t k) { return x_r[k]; }, [&](int64_t k) { return w[n * K + k]; }));
                }
                for (int64_t k = 0; k < K && p.c.compute != DType::q8_0; ++k) {
                    dx.push_back(sum_of_products(
                        N, [&](int64_t n) { return dy_r[n]; }, [&](int64_t n) { return w[n * K + k]; }));
                }
            }
            for (int64_t n = 0; n < N && p.c.compute != DType::q8_0; ++n) {
                for (int64_t k = 0; k < K; ++k) {
                    dw.push_back(sum_of_products(
                        rows, [&](int64_t i) { return dy[(first + i) * N + n]; },
                        [&](int64_t i) { return x[p.source(first + i) * K + k]; }));
                }
            }
        }
    }
};

const Truth& truth(const Problem& p) {
    static std::map<std::string, Truth> known;
    return known.try_emplace(p.c.name + (rounds_rows(p.c) ? " rounded" : ""), p).first->second;
}

void expect_close(TensorView got, const std::vector<float>& before, std::span<const Sum> want, bool accumulate,
                  double relative) {
    const std::vector<float> values = to_floats(got);
    for (size_t i = 0; i < values.size(); ++i) {
        const double exact = want[i].value + (accumulate ? before[i] : 0);
        double tolerance = relative * (want[i].magnitude + std::fabs(exact));
        if (got.dtype == DType::bf16) tolerance += std::fabs(exact) * 0x1p-8;
        ASSERT_NEAR(values[i], exact, tolerance) << "row " << i / got.cols() << ", column " << i % got.cols();
    }
}

constexpr double f32_sums = 1e-6;

class GroupedMatmulTest : public testing::TestWithParam<Variant> {
  protected:
    void SetUp() override { force(GetParam()); }
    void TearDown() override {
        force(available_variants().back());
        set_threads(0);
    }
};

TEST_P(GroupedMatmulTest, ForwardEqualsFloat64) {
    for (const Case& c : cases()) {
        SCOPED_TRACE(c.name);
        Problem p(c);
        const std::vector<float> before = to_floats(p.y);
        p.forward();
        // The weights of a block-quantised type may stay as exact as they are.
        const bool tiles_round = GetParam() == Variant::amx && c.compute == DType::q8_0;
        const bool bf16 = is_quantised(c.w) && (c.compute == DType::bf16 || tiles_round);
        const double relative = bf16 ? 0x1p-8 : c.fine ? 1e-5 : f32_sums;
        expect_close(p.y, before, truth(p).y, c.accumulate, relative);
    }
}

// Every cohort gets, to the bit, what it gets in a call of its own.
TEST_P(GroupedMatmulTest, CohortsDoNotDependOnEachOther) {
    for (const Case& c : cases()) {
        SCOPED_TRACE(c.name);
        if (c.accumulate) continue;
        Problem p(c);
        std::vector<int32_t> cohorts;
        for (const int32_t rows : c.group_rows) {
            constexpr int32_t lengths[] = {1, 2, 9, 3, 20};  // of few rows and of many
            for (int32_t r = 0, cohort = 0; r < rows; ++cohort)
                for (const int32_t end = r + lengths[cohort % 5]; r < std::min(rows, end); ++r)
                    cohorts.push_back(cohort);
        }
        if (cohorts.empty()) continue;
        MatmulOptions options = p.options();
        options.cohorts = cohorts;
        grouped_matmul(p.y, p.x, p.rows, p.w_views, p.offsets, options);
        for (int32_t cohort = 0; cohort <= std::ranges::max(cohorts); ++cohort) {
            std::vector<int32_t> offsets{0}, sources, places;
            for (size_t g = 0; g < p.w.size(); ++g) {
                for (int32_t r = p.offsets[g]; r < p.offsets[g + 1]; ++r) {
                    if (cohorts[static_cast<size_t>(r)] != cohort) continue;
                    sources.push_back(static_cast<int32_t>(p.source(r)));
                    places.push_back(r);
                }
                offsets.push_back(static_cast<int32_t>(places.size()));
            }
            const OwnedTensor alone(c.y, {std::ssize(places), c.N});
            grouped_matmul(alone, p.x, sources, p.w_views, offsets, p.options());
            for (size_t i = 0; i < places.size(); ++i)
                ASSERT_EQ(std::memcmp(alone.get().row(static_cast<int64_t>(i)), p.y.get().row(places[i]),
                                      static_cast<size_t>(p.y.get().row_bytes())),
                          0)
                    << "cohort " << cohort << ", row " << places[i];
        }
    }
}

TEST_P(GroupedMatmulTest, GradientsEqualFloat64) {
    for (const Case& c : cases()) {
        if (c.compute == DType::q8_0) continue;
        SCOPED_TRACE(c.name);
        Problem p(c);
        const std::vector<float> dx_before = to_floats(p.dx);
        std::vector<std::vector<float>> dw_before;
        for (const OwnedTensor& dw : p.dw) dw_before.push_back(to_floats(dw));
        p.backward();
        if (is_float(c.w)) expect_close(p.dx, dx_before, truth(p).dx, c.accumulate, f32_sums);
        const size_t each = static_cast<size_t>(c.N * c.K);
        for (size_t g = 0; g < p.dw.size(); ++g) {
            expect_close(p.dw[g], dw_before[g], std::span(truth(p).dw).subspan(g * each, each), c.accumulate, f32_sums);
        }
    }
}

std::string all_bits(const Problem& p) {
    std::string bits;
    const auto append = [&](TensorView t) {
        bits.append(reinterpret_cast<const char*>(t.data), static_cast<size_t>(t.bytes()));
    };
    append(p.y);
    append(p.dx);
    for (const OwnedTensor& dw : p.dw) append(dw);
    return bits;
}

TEST_P(GroupedMatmulTest, TheNumberOfThreadsChangesNoBit) {
    if (GetParam() == Variant::reference) GTEST_SKIP() << "plain loops";
    for (const Case& c : cases()) {
        SCOPED_TRACE(c.name);
        std::string one;
        for (const int n : {1, 2, 3, 5}) {
            set_threads(n);
            Problem p(c);
            p.forward();
            p.backward();
            if (n == 1) one = all_bits(p);
            EXPECT_TRUE(all_bits(p) == one) << n << " threads";
        }
    }
}

TEST_P(GroupedMatmulTest, ARowAloneEqualsThatRowInABatch) {
    for (const DType type : {DType::f32, DType::bf16, DType::q8_0, DType::q4_0, DType::q4_k, DType::mxfp4}) {
        const int64_t R = 40, K = 512, N = 96;
        const OwnedTensor x = random_tensor(DType::f32, {R, K}, 1), w = random_tensor(type, {N, K}, 2);
        const OwnedTensor batch(DType::f32, {R, N}), alone(DType::f32, {1, N});
        matmul(batch, x, w);
        for (int64_t r = 0; r < R; r += 13) {
            matmul(alone, reshape(x.get().at(r), {1, K}), w);
            for (int64_t n = 0; n < N; ++n) {  // √K: the size of such a sum
                ASSERT_NEAR(alone.get().f32()[n], batch.get().f32()[r * N + n], 1e-5 * std::sqrt(K));
            }
        }
    }
}

TEST_P(GroupedMatmulTest, RunsOnTheForcedVariant) {
    const std::map<Variant, std::pair<std::string, std::string>> leaves{
        {Variant::reference, {"reference", "reference"}},
        {Variant::scalar, {"SCALAR f32|EMU128 f32", "SCALAR bf16 as f32|EMU128 bf16 as f32"}},
        {Variant::sse4, {"SSE4 f32", "SSE4 bf16 as f32"}},
        {Variant::avx2, {"AVX2 f32", "AVX2 bf16 as f32"}},
        {Variant::avx512, {"AVX3 f32", "AVX512_BF16|AVX3 bf16 as f32"}},
        {Variant::amx, {"AVX3 f32", "AMX_BF16"}},
        {Variant::native, {"NEON f32", "NEON bf16 as f32"}}};
    const OwnedTensor x = random_tensor(DType::f32, {32, 64}, 1), w = random_tensor(DType::f32, {32, 64}, 2),
                      y(DType::f32, {32, 32});
    const OwnedTensor x1 = random_tensor(DType::f32, {1, 64}, 3), y1(DType::f32, {1, 32});
    matmul(y1, x1, w);
    const bool plain = GetParam() == Variant::reference;
    EXPECT_EQ(last_grouped_matmul_leaf(), plain ? "reference" : std::string(dispatched_target()) + " gemv");
    for (const DType compute : {DType::f32, DType::bf16}) {
        matmul(y, x, w, {.compute = compute});
        const auto& [f32_leaf, bf16_leaf] = leaves.at(GetParam());
        EXPECT_THAT(std::string(last_grouped_matmul_leaf()),
                    testing::MatchesRegex(compute == DType::f32 ? f32_leaf : bf16_leaf));
    }
}

TEST_P(GroupedMatmulTest, SkipsAbsentGradients) {
    const OwnedTensor x = random_tensor(DType::f32, {8, 16}, 1), dy = random_tensor(DType::f32, {8, 4}, 2),
                      dw(DType::f32, {4, 16});
    const std::vector<Tensor> only_second{Tensor{}, dw};
    const std::vector<int32_t> offsets{0, 5, 8};
    grouped_matmul_dw(only_second, dy, x, {}, offsets);
    const std::vector<float> got = to_floats(dw), xs = to_floats(x), dys = to_floats(dy);
    const Sum sum = sum_of_products(
        3, [&](int64_t i) { return dys[(5 + i) * 4 + 1]; }, [&](int64_t i) { return xs[(5 + i) * 16 + 2]; });
    EXPECT_NEAR(got[1 * 16 + 2], sum.value, 1e-5);
}

TEST_P(GroupedMatmulTest, ShapesThatDisagreeAreAnError) {
    const OwnedTensor x(DType::f32, {8, 16}), w(DType::f32, {4, 15}), y(DType::f32, {8, 4});
    EXPECT_THROW(matmul(y, x, w), Error);
    EXPECT_THROW(matmul_dx(x, y, w), Error);
    EXPECT_THROW(matmul_dw(w, y, x), Error);
    const OwnedTensor good(DType::f32, {4, 16});
    const TensorView views[] = {good};
    const OwnedTensor half(DType::bf16, {4, 16}), quantised(DType::q8_0, {4, 32}), wide(DType::f32, {8, 32});
    EXPECT_THROW(matmul_dw(half, y, x), Error);
    EXPECT_THROW(matmul_dx(wide, y, quantised), Error);
    const int32_t short_offsets[] = {0, 7};
    EXPECT_THROW(grouped_matmul(y, x, {}, views, short_offsets), Error);
}

INSTANTIATE_TEST_SUITE_P(Variants, GroupedMatmulTest, testing::ValuesIn(available_variants()),
                         [](const auto& variant) { return std::string(name(variant.param)); });

}  // namespace
}  // namespace gremium::kernels
