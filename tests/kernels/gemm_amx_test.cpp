// The AMX tile kernel under a software emulation of its instructions, so that its indexing is tested everywhere. Where
// the CPU has AMX, the suite of grouped_matmul_test runs the same kernel on the real instructions as well.
#include "kernels/gemm_amx.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "tensor/arena.h"
#include "tensor/blocks.h"

namespace gremium::kernels {
namespace {

// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: LDTILECFG, TILEZERO, TILELOADD, TILESTORED,
// TDPBF16PS. What the processor would refuse (#UD) fails the test.
struct EmulatedTiles {
    struct Register {
        int rows = 0, bytes_per_row = 0;
        std::array<std::byte, 16 * 64> data{};

        std::byte* row(int r) { return data.data() + 64 * r; }
        float number(int r, int i) {
            float v;
            std::memcpy(&v, row(r) + 4 * i, 4);
            return v;
        }
        float bf16(int r, int i) {
            uint16_t v;
            std::memcpy(&v, row(r) + 2 * i, 2);
            return bf16_to_f32(v);
        }
    };
    static thread_local std::array<Register, 8> registers;
    static thread_local int dots;

    static void configure() {
        const amx::Config config;
        ASSERT_EQ(config.palette, 1);
        for (size_t t = 0; t < 8; ++t) {
            ASSERT_TRUE(config.rows[t] <= 16 && config.bytes_per_row[t] <= 64);
            registers[t] = {config.rows[t], config.bytes_per_row[t]};
        }
    }
    static void release() { registers = {}; }

    template <int t>
    static void zero() {
        registers[t].data = {};
    }
    template <int t>
    static void load(const void* from, int64_t bytes) {
        Register& to = registers[t];
        ASSERT_GT(to.rows, 0) << "not configured";
        to.data = {};
        for (int r = 0; r < to.rows; ++r) {
            std::memcpy(to.row(r), static_cast<const std::byte*>(from) + r * bytes,
                        static_cast<size_t>(to.bytes_per_row));
        }
    }
    template <int t>
    static void store(void* to, int64_t bytes) {
        Register& from = registers[t];
        ASSERT_GT(from.rows, 0) << "not configured";
        for (int r = 0; r < from.rows; ++r) {
            std::memcpy(static_cast<std::byte*>(to) + r * bytes, from.row(r),
                        static_cast<size_t>(from.bytes_per_row));
        }
    }
    template <int c, int a, int b>
    static void dot() {
        Register &sums = registers[c], &left = registers[a], &right = registers[b];
        ASSERT_TRUE(c != a && c != b && a != b);
        ASSERT_TRUE(left.rows == sums.rows && right.bytes_per_row == sums.bytes_per_row &&
                    left.bytes_per_row == 4 * right.rows);
        for (int m = 0; m < sums.rows; ++m) {
            std::array<float, 32> partial{};
            for (int k = 0; k < left.bytes_per_row / 4; ++k) {
                for (int n = 0; n < sums.bytes_per_row / 4; ++n) {
                    for (int i = 0; i < 2; ++i) {
                        float& sum = partial[static_cast<size_t>(2 * n + i)];
                        sum = std::fma(left.bf16(m, 2 * k + i), right.bf16(k, 2 * n + i), sum);
                    }
                }
            }
            for (int n = 0; n < sums.bytes_per_row / 4; ++n) {
                const float sum = sums.number(m, n) + (partial[static_cast<size_t>(2 * n)] +
                                                       partial[static_cast<size_t>(2 * n + 1)]);
                std::memcpy(sums.row(m) + 4 * n, &sum, 4);
            }
        }
        ++dots;
    }
};
thread_local std::array<EmulatedTiles::Register, 8> EmulatedTiles::registers;
thread_local int EmulatedTiles::dots = 0;

constexpr Leaf emulated{.name = "emulated AMX",
                        .panel = Panel::bf16,
                        .mr = amx::tile_rows,
                        .nr = amx::tile_cols,
                        .units_multiple = amx::side,
                        .gemv_rows = 0,
                        .tile = amx::tile_bf16<EmulatedTiles>,
                        .enter = EmulatedTiles::configure,
                        .leave = EmulatedTiles::release};

struct Size {
    int64_t m, n, k;
};

// C = A·Bᵀ through the whole driver, for each orientation of the operands, against float64.
void check(Size size, bool a_along_k, bool b_along_k, DType out, bool accumulate) {
    SCOPED_TRACE(testing::Message() << size.m << " × " << size.n << " × " << size.k
                                    << ", along k: " << a_along_k << b_along_k);
    Random random(5);
    const auto matrix = [&](int64_t rows, int64_t cols) {
        OwnedTensor t(DType::bf16, {rows, cols});
        for (int64_t i = 0; i < rows * cols; ++i)
            t.get().bf16()[i] = f32_to_bf16(static_cast<float>(random.uniform() - 0.5));
        return t;
    };
    const OwnedTensor a = a_along_k ? matrix(size.m, size.k) : matrix(size.k, size.m);
    const OwnedTensor b = b_along_k ? matrix(size.n, size.k) : matrix(size.k, size.n);
    const OwnedTensor c(out, {size.m, size.n});
    const float before = 0.25f;
    const std::vector<float> filled(static_cast<size_t>(size.n), before);
    for (int64_t i = 0; i < size.m; ++i) quantise_row(out, filled.data(), c.get().row(i), size.n);

    const auto operand = [](Tensor t, bool along_k) {
        return Operand{t.data, t.dtype, t.row_bytes(), nullptr, along_k};
    };
    const Product product{operand(a, a_along_k),
                          operand(b, b_along_k),
                          size.m,
                          size.n,
                          size.k,
                          {c.get().data, out, c.get().row_bytes()},
                          &emulated};
    EXPECT_EQ(run_products({&product, 1}, DType::bf16, accumulate), "emulated AMX");

    const std::vector<float> got = to_floats(c), as = to_floats(a), bs = to_floats(b);
    for (int64_t i = 0; i < size.m; ++i) {
        for (int64_t j = 0; j < size.n; ++j) {
            double want = accumulate ? before : 0;
            for (int64_t k = 0; k < size.k; ++k) {
                want += static_cast<double>(as[a_along_k ? i * size.k + k : k * size.m + i]) *
                        static_cast<double>(bs[b_along_k ? j * size.k + k : k * size.n + j]);
            }
            const double tolerance = 1e-5 + (out == DType::bf16 ? std::fabs(want) * 0x1p-8 : 0);
            ASSERT_NEAR(got[i * size.n + j], want, tolerance) << "row " << i << ", column " << j;
        }
    }
}

TEST(AmxTiles, EqualFloat64ThroughTheEmulation) {
    for (const Size size : {Size{1, 1, 1}, Size{32, 32, 32}, Size{33, 31, 30}, Size{64, 96, 64},
                            Size{7, 70, 530}, Size{40, 33, 1025}}) {
        for (const bool a_along_k : {true, false}) {
            for (const bool b_along_k : {true, false}) {
                for (const DType out : {DType::f32, DType::bf16}) {
                    for (const bool accumulate : {false, true}) {
                        check(size, a_along_k, b_along_k, out, accumulate);
                        if (testing::Test::HasFatalFailure()) return;
                    }
                }
            }
        }
    }
}

TEST(AmxTiles, EightRegistersHoldFourTilesOfSums) {
    EmulatedTiles::dots = 0;
    std::vector<uint32_t> a(amx::tile_rows * a_stride), b(amx::tile_cols * 32);
    std::vector<float> c(amx::tile_rows * amx::tile_cols);
    EmulatedTiles::configure();
    emulated.tile(c.data(), amx::tile_cols, a.data(), b.data(), 32, false);
    EXPECT_EQ(EmulatedTiles::dots, 2 * 4);
}

}  // namespace
}  // namespace gremium::kernels
