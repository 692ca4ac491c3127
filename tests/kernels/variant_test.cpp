#include "kernels/simd/variant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/error.h"

namespace gremium::kernels {
namespace {

class VariantTest : public testing::Test {
    void TearDown() override { force(available_variants().back()); }
};

TEST_F(VariantTest, TheDefaultIsTheNewest) {
    EXPECT_EQ(available_variants().front(), Variant::reference);
    EXPECT_EQ(active(), available_variants().back());
}

TEST_F(VariantTest, ForceSteersHighway) {
    const std::map<Variant, std::string> targets{{Variant::sse4, "SSE4"},
                                                 {Variant::avx2, "AVX2"},
                                                 {Variant::avx512, "AVX3"},
                                                 {Variant::amx, "AVX3"},
                                                 {Variant::native, "NEON"}};
    for (const Variant variant : available_variants()) {
        force(name(variant));
        EXPECT_EQ(active(), variant);
        if (variant == Variant::scalar) {
            EXPECT_THAT(std::string(dispatched_target()), testing::AnyOf("SCALAR", "EMU128"));
        } else if (variant != Variant::reference) {
            EXPECT_EQ(dispatched_target(), targets.at(variant));
        }
    }
}

TEST_F(VariantTest, RefusesWhatIsNotThere) {
    try {
        force("mmx");
        FAIL();
    } catch (const Error& e) {
        EXPECT_THAT(e.what(), testing::AllOf(testing::HasSubstr("'mmx'"), testing::HasSubstr("reference")));
    }
}

}  // namespace
}  // namespace gremium::kernels
