// Products of bytes against plain sums, on every instruction set of this processor. On ARM compiled a second time, with
// SDOT.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>

#include "base/random.h"
#include "kernels/simd/variant.h"

#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/kernels/dot_bytes_test.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/quantised/dot_bytes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

size_t add_dots(int32_t*, const uint8_t*, const int8_t*, bool) { return 0; }

#else

// Returns how many sums a vector has.
size_t add_dots(int32_t* sums, const uint8_t* a, const int8_t* b, bool wide) {
    const VecI32 before = hn::Load(I32(), sums);
    const VecU8 as = hn::Load(U8(), a);
    const VecI8 bs = hn::Load(I8(), b);
    hn::Store(wide ? dot_bytes<true>(before, as, bs) : dot_bytes<false>(before, as, bs), I32(), sums);
    return hn::Lanes(I32());
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(add_dots);

namespace {

class DotBytesTest : public testing::Test {
    void TearDown() override { force(available_variants().back()); }
};

// The largest sums of either sign, then random ones.
TEST_F(DotBytesTest, EqualPlainSums) {
    int tested = 0;
    const int64_t targets = hwy::SupportedTargets() & HWY_TARGETS & ~HWY_SCALAR;
    for (int64_t rest = targets; rest != 0; rest &= rest - 1) {
        hwy::SetSupportedTargetsForTest(rest & -rest);
        hwy::GetChosenTarget().Update(hwy::SupportedTargets());
        SCOPED_TRACE(hwy::TargetName(rest & -rest));
        ++tested;
        Random random(3);
        for (const bool wide : {false, true}) {
            const int most = wide ? 255 : 127;
            for (int round = 0; round < 100; ++round) {
                alignas(64) std::array<uint8_t, 64> a;
                alignas(64) std::array<int8_t, 64> b;
                alignas(64) std::array<int32_t, 16> sums;
                for (size_t i = 0; i < a.size(); ++i) {
                    a[i] = static_cast<uint8_t>(round < 2 ? most : random.below(most + 1));
                    b[i] = static_cast<int8_t>(round < 2 ? 127 - 254 * round
                                                         : static_cast<int64_t>(random.below(255)) - 127);
                }
                for (int32_t& sum : sums) sum = static_cast<int32_t>(random.below(2000000)) - 1000000;
                const std::array<int32_t, 16> before = sums;
                const size_t lanes = HWY_DYNAMIC_DISPATCH(add_dots)(sums.data(), a.data(), b.data(), wide);
                ASSERT_GT(lanes, 0);
                for (size_t l = 0; l < lanes; ++l) {
                    int32_t want = before[l];
                    for (size_t j = 4 * l; j < 4 * l + 4; ++j) want += a[j] * b[j];
                    ASSERT_EQ(sums[l], want) << "wide: " << wide << ", lane " << l;
                }
            }
        }
    }
    RecordProperty("instruction_sets", tested);
    EXPECT_TRUE(tested > 0 || available_variants().size() == 2);  // reference and one without vectors
}

}  // namespace
}  // namespace gremium::kernels
#endif  // HWY_ONCE
