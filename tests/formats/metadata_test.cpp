#include "formats/metadata.h"

#include <gmock/gmock.h>

#include "tests/formats/files.h"

namespace gremium {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

Metadata example() {
    Metadata m("model.gguf");
    m.set("small", uint8_t{200});
    m.set("negative", int16_t{-3});
    m.set("wide", uint64_t{1} << 40);
    m.set("half", 0.5f);
    m.set("double", 1e300);
    m.set("yes", true);
    m.set("text", "hello");
    m.set("tokens", std::vector<std::string>{"a", "", "c"});
    m.set("mixed", std::vector<int32_t>{1, 0, 70000});
    m.set("flags", std::vector<bool>{true, false});
    return m;
}

TEST(Metadata, IntegersAreReadInAnyWidthThatHoldsTheValue) {
    const Metadata m = example();
    EXPECT_EQ(m.require<int32_t>("small"), 200);
    EXPECT_EQ(m.require<uint64_t>("small"), 200u);
    EXPECT_EQ(m.require<int64_t>("negative"), -3);
    EXPECT_EQ(m.require<int64_t>("wide"), int64_t{1} << 40);
    EXPECT_EQ(m.require<float>("small"), 200.0f);
    EXPECT_EQ(m.require<double>("half"), 0.5);
    EXPECT_THAT(m.require<std::vector<uint64_t>>("mixed"), ElementsAre(1, 0, 70000));
    EXPECT_THAT(m.require<std::vector<bool>>("flags"), ElementsAre(true, false));
    EXPECT_THAT(m.require<std::vector<std::string>>("tokens"), ElementsAre("a", "", "c"));
}

TEST(Metadata, ErrorsNameFileKeyFoundAndExpected) {
    const Metadata m = example();
    EXPECT_EQ(error_of([&] { m.require<uint32_t>("absent"); }), "model.gguf: key \"absent\" is missing, expected u32");
    EXPECT_EQ(error_of([&] { m.require<uint32_t>("negative"); }),
              "model.gguf: key \"negative\": found i16 -3, expected u32");
    EXPECT_EQ(error_of([&] { m.find<uint32_t>("wide"); }),
              "model.gguf: key \"wide\": found u64 1099511627776, expected u32");
    EXPECT_EQ(error_of([&] { m.get<float>("double", 1.0f); }),
              "model.gguf: key \"double\": found f64 1e+300, expected f32");
    EXPECT_EQ(error_of([&] { m.find<uint32_t>("half"); }), "model.gguf: key \"half\": found f32 0.5, expected u32");
    EXPECT_EQ(error_of([&] { m.find<uint32_t>("yes"); }), "model.gguf: key \"yes\": found bool true, expected u32");
    EXPECT_EQ(error_of([&] { m.find<std::string>("tokens"); }),
              "model.gguf: key \"tokens\": found array of 3 string, expected string");
    EXPECT_EQ(error_of([&] { m.find<std::vector<bool>>("mixed"); }),
              "model.gguf: key \"mixed\": found array of 3 i32, expected array of bool");
}

TEST(Metadata, AbsentKeysAreNotErrorsUnlessRequired) {
    const Metadata m = example();
    EXPECT_EQ(m.find<int32_t>("absent"), std::nullopt);
    EXPECT_EQ(m.get<std::string>("absent", "fallback"), "fallback");
    EXPECT_EQ(m.get<int32_t>("small", 7), 200);
    EXPECT_FALSE(m.contains("absent"));
}

TEST(Metadata, PerLayerTakesAScalarOrAnArray) {
    const Metadata m = example();
    EXPECT_THAT(*m.find_per_layer<uint32_t>("small", 3), ElementsAre(200, 200, 200));
    EXPECT_THAT(*m.find_per_layer<uint32_t>("mixed", 2), ElementsAre(1, 0));
    EXPECT_EQ(m.find_per_layer<uint32_t>("absent", 2), std::nullopt);
    EXPECT_THAT(error_of([&] { m.find_per_layer<uint32_t>("mixed", 4); }), HasSubstr("each of 4 layers"));
}

TEST(Metadata, SetKeepsOrderAndEraseClosesTheGap) {
    Metadata m;
    for (const char* key : {"a", "b", "c", "d"}) m.set(key, int32_t{1});
    m.set("b", std::string("two"));
    m.erase("a");
    m.erase("not there");
    std::vector<std::string> keys;
    for (const auto& [key, value] : m) keys.push_back(key);
    EXPECT_THAT(keys, ElementsAre("b", "c", "d"));
    EXPECT_EQ(m.require<std::string>("b"), "two");
    EXPECT_EQ(m.require<int32_t>("d"), 1);
}

TEST(Metadata, HostileKeysStayOnOneLine) {
    const Metadata m("f");
    EXPECT_EQ(error_of([&] { m.require<bool>("a\nb\x1b[2J"); }), "f: key \"a\\nb\\x1b[2J\" is missing, expected bool");
    EXPECT_LT(error_of([&] { m.require<bool>(std::string(100000, 'x')); }).size(), 300u);
}

}  // namespace
}  // namespace gremium
