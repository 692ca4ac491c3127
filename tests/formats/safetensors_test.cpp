#include "formats/safetensors/safetensors.h"

#include <gmock/gmock.h>

#include "tests/formats/files.h"

namespace gremium {
namespace {

using test::Bytes;
using test::error_of;
using test::exact;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;

std::string with_header(std::string_view json, std::string_view data) { return Bytes().string(json).raw(data).text(); }

// By hand: a 2×2 f32, an f16 pair, and an I64 buffer no model computes with. The header has 210 + 6 = 216 bytes.
std::string example() {
    const float w[] = {1, 2, 3, 4};
    const std::string json =
        R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
        R"("ids":{"dtype":"I64","shape":[1],"data_offsets":[20,28]},)"
        R"("h":{"dtype":"F16","shape":[2],"data_offsets":[16,20]}})";
    Bytes data;
    for (const float v : w) data.add(v);
    data.add(uint16_t{0x3C00}).add(uint16_t{0xC000}).add(int64_t{-1});
    return with_header(json + std::string((8 - json.size() % 8) % 8, ' '), data.text());
}

std::string error_of_parsing(const std::string& text) {
    const std::vector<std::byte> bytes = exact(text);
    return error_of([&] { parse_safetensors(bytes, "m.safetensors"); });
}

std::string error_of_header(std::string_view json, std::string_view data = "") {
    return error_of_parsing(with_header(json, data));
}

TEST(Safetensors, ReadsTensorsInFileOrderAndKeepsOthersOpaque) {
    const std::vector<std::byte> bytes = exact(example());
    const SafetensorsFile file = parse_safetensors(bytes, "m.safetensors");
    EXPECT_THAT(file.metadata, ElementsAre(Pair("format", "pt")));
    ASSERT_EQ(file.tensors.size(), 2u);
    EXPECT_EQ(file.tensors.begin()->name, "w");
    const TensorView w = file.tensors.require("w", Shape{2, 2});
    EXPECT_EQ(w.dtype, DType::f32);
    EXPECT_EQ(w.f32()[3], 4.0f);
    EXPECT_EQ(file.tensors.require("h", Shape{2}).dtype, DType::f16);
    ASSERT_EQ(file.tensors.opaque().size(), 1u);
    const OpaqueEntry& ids = file.tensors.opaque()[0];
    EXPECT_EQ(ids.dtype, "I64");
    EXPECT_THAT(ids.shape, ElementsAre(1));
    EXPECT_EQ(ids.bytes.size(), 8u);
    EXPECT_THAT(error_of([&] { file.tensors.require("ids"); }), HasSubstr("tensor \"ids\" has type I64"));
    EXPECT_EQ(error_of([&] { file.tensors.require("v"); }), "m.safetensors: tensor \"v\" is missing");
    EXPECT_EQ(error_of([&] { file.tensors.require("w", Shape{4}); }),
              "m.safetensors: tensor \"w\" has shape [2, 2], expected [4]");
}

TEST(Safetensors, UnalignedTensorsAreCopiedToMemory) {
    for (const std::string pad : {"", " ", "  ", "   "}) {
        const std::vector<std::byte> bytes = exact(
            with_header(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})" + pad, Bytes().add(0.75f).text()));
        const SafetensorsFile file = parse_safetensors(bytes, "m");
        const TensorView w = file.tensors.require("w");
        EXPECT_EQ(reinterpret_cast<uintptr_t>(w.data) % 4, 0u);
        EXPECT_EQ(w.f32()[0], 0.75f);
    }
}

TEST(Safetensors, WritesTheCanonicalLayout) {
    const test::TemporaryDirectory directory;
    SafetensorsWriter writer(
        directory / "m.safetensors",
        {{"z", DType::bf16, {2}}, {"b", DType::f32, {1, 2}}, {"a", DType::bf16, {1}}, {"s", DType::f32, {}}});
    const auto& order = writer.tensors();
    ASSERT_EQ(order.size(), 4u);
    for (const TensorDecl& t : order)
        writer.write(t.name, test::bytes_of(std::string(checked_bytes(t, "t"), t.name[0])));
    writer.finish();
    const std::string json =
        R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
        R"("s":{"dtype":"F32","shape":[],"data_offsets":[8,12]},)"
        R"("a":{"dtype":"BF16","shape":[1],"data_offsets":[12,14]},)"
        R"("z":{"dtype":"BF16","shape":[2],"data_offsets":[14,18]}})";
    EXPECT_EQ(test::read_bytes(directory / "m.safetensors"),
              with_header(json + std::string((8 - json.size() % 8) % 8, ' '), "bbbbbbbbssssaazzzz"));
}

TEST(Safetensors, WhatIsReadAndWrittenBackIsIdentical) {
    const test::TemporaryDirectory directory;
    SafetensorsWriter first(directory / "a",
                            {{"x.weight", DType::bf16, {3, 5}},
                             {"y\"\n", DType::f32, {2, 1, 3, 2}},
                             {"empty", DType::f16, {0, 7}},
                             {"i", DType::i32, {}}},
                            {{"format", "pt"}, {"quote", "\"\\\u00e4"}});
    for (const TensorDecl& t : first.tensors())
        first.write(t.name, test::bytes_of(std::string(checked_bytes(t, "t"), t.name[0])));
    first.finish();
    const SafetensorsFile file = open_safetensors(directory / "a");
    EXPECT_EQ(file.tensors.require("empty", Shape{0, 7}).bytes(), 0);
    SafetensorsWriter second(directory / "b", file.tensors.declarations(), file.metadata);
    test::copy_tensors(file.tensors, second);
    EXPECT_EQ(test::read_bytes(directory / "a"), test::read_bytes(directory / "b"));
}

TEST(Safetensors, WriterRefusesWhatTheFormatCannotHold) {
    const test::TemporaryDirectory directory;
    const auto writer_for = [&](TensorDecl tensor) { SafetensorsWriter(directory / "m", {std::move(tensor)}); };
    EXPECT_THAT(error_of([&] {
                    writer_for({"t", DType::q8_0, {32}});
                }),
                HasSubstr("\"t\" is q8_0, which safetensors cannot hold"));
    EXPECT_THAT(error_of([&] { writer_for({"__metadata__", DType::f32, {1}}); }), HasSubstr("__metadata__"));
    EXPECT_THAT(error_of([&] { writer_for({"\xFF", DType::f32, {1}}); }), HasSubstr("not valid UTF-8"));
    EXPECT_THAT(error_of([&] {
                    SafetensorsWriter(directory / "m", {{"t", DType::f32, {1}}, {"t", DType::f16, {1}}});
                }),
                HasSubstr("declared twice"));
}

TEST(SafetensorsDamage, EveryTruncationIsAnError) {
    const std::string whole = example();
    for (size_t size = 0; size < whole.size(); ++size)
        EXPECT_THAT(error_of_parsing(whole.substr(0, size)), StartsWith("m.safetensors: ")) << size;
    EXPECT_THAT(error_of_parsing(whole + '\0'), HasSubstr("the tensors end at byte 28 of the data, expected 29"));
}

TEST(SafetensorsDamage, EveryFlippedBitIsAnErrorOrAValidFile) {
    const std::string whole = example();
    const size_t header_end = whole.size() - 28;
    const test::Outcomes outcomes =
        test::flip_every_bit(whole, header_end, [](const auto& bytes) { return parse_safetensors(bytes, "m"); });
    EXPECT_EQ(outcomes.valid + outcomes.errors, header_end * 8);
    EXPECT_GT(outcomes.errors, 1000u);
    EXPECT_GT(outcomes.valid, 20u);  // letters of names, padding
}

TEST(SafetensorsDamage, TensorsTileTheData) {
    const auto two = [](const char* a, const char* b) {
        return fmt::format(R"({{"a":{{"dtype":"U8","shape":[4],"data_offsets":{}}},)"
                           R"("b":{{"dtype":"U8","shape":[4],"data_offsets":{}}}}})",
                           a, b);
    };
    const std::vector<std::byte> good = exact(with_header(two("[4,8]", "[0,4]"), "bbbbaaaa"));
    EXPECT_EQ(parse_safetensors(good, "m").tensors.opaque()[0].name, "b");
    EXPECT_THAT(error_of_header(two("[0,4]", "[5,9]"), "aaaa-bbbb"),
                HasSubstr("\"b\" has data_offsets [5, 9], expected to begin at 4"));
    EXPECT_THAT(error_of_header(two("[0,4]", "[0,4]"), "aaaa"), HasSubstr("expected to begin at 4"));
    EXPECT_THAT(error_of_header(two("[0,4]", "[2,6]"), "aaaabb"), HasSubstr("expected to begin at 4"));
    EXPECT_THAT(error_of_header(two("[0,4]", "[4,2]"), "aaaa"), HasSubstr("[4, 2]"));
    EXPECT_THAT(error_of_header(two("[0,4]", "[4,8]"), "aaaabbb"), HasSubstr("end by 7"));
    EXPECT_THAT(error_of_header(two("[0,4]", "[4,9]"), "aaaabbbbb"),
                HasSubstr("\"b\" has 5 bytes of data, expected 4"));
}

TEST(SafetensorsDamage, DescriptionsThatCannotBe) {
    const auto one = [](const char* fields) { return fmt::format(R"({{"t":{{{}}}}})", fields); };
    const auto shaped = [&](const char* shape, const char* dtype = "F32") {
        return one(fmt::format(R"("dtype":"{}","shape":{},"data_offsets":[0,0])", dtype, shape).c_str());
    };
    EXPECT_THAT(error_of_header(shaped("[4611686018427387904,4]")), HasSubstr("size overflows"));
    EXPECT_THAT(error_of_header(shaped("[18446744073709551615]")), HasSubstr("size overflows"));
    EXPECT_THAT(error_of_header(shaped("[0,4611686018427387904,4]")), HasSubstr("size overflows"));
    EXPECT_THAT(error_of_header(shaped("[36893488147419103232]")), HasSubstr("an array of whole numbers as its shape"));
    EXPECT_THAT(error_of_header(shaped("[-1]")), HasSubstr("an array of whole numbers as its shape"));
    EXPECT_THAT(error_of_header(shaped("[1.5]")), HasSubstr("an array of whole numbers as its shape"));
    EXPECT_THAT(error_of_header(shaped("[[1]]")), HasSubstr("nested too deep at \"t\""));
    EXPECT_THAT(error_of_header(shaped("[1e999]")), HasSubstr("a number that is out of range"));
    EXPECT_THAT(error_of_header(shaped("3")), HasSubstr("an array as its shape"));
    EXPECT_THAT(error_of_header(shaped("[0]", "F31")), HasSubstr("unknown dtype \"F31\""));
    EXPECT_THAT(error_of_header(shaped("[1]", "F4")), HasSubstr("does not fill whole bytes"));
    EXPECT_THAT(error_of_header(one(R"("shape":[],"data_offsets":[0,0])")), HasSubstr("a string as its dtype"));
    EXPECT_THAT(error_of_header(one(R"("dtype":"F32","data_offsets":[0,0])")), HasSubstr("an array as its shape"));
    EXPECT_THAT(error_of_header(one(R"("dtype":"F32","shape":[],"data_offsets":[0])")),
                HasSubstr("two numbers as its data_offsets"));
    EXPECT_THAT(error_of_header(one(R"("dtype":"F32","shape":[],"data_offsets":[-1,0])")),
                HasSubstr("as its data_offsets"));
    std::string many = "[1";
    for (int i = 0; i < 100; ++i) many += ",1";
    EXPECT_THAT(error_of_header(shaped((many + "]").c_str())), HasSubstr("more than 64 values"));
}

TEST(SafetensorsDamage, HeadersThatCannotBe) {
    EXPECT_THAT(error_of_parsing("1234567"), HasSubstr("the header's length needs 8 bytes"));
    EXPECT_THAT(error_of_parsing(Bytes().add(uint64_t{100'000'001}).text()), HasSubstr("at most 100000000"));
    EXPECT_THAT(error_of_parsing(Bytes().add(~uint64_t{0}).text()), HasSubstr("at most 100000000"));
    EXPECT_THAT(error_of_parsing(Bytes().add(uint64_t{9}).raw("{}").text()), HasSubstr("the header needs 9 bytes"));
    EXPECT_THAT(error_of_header(""), HasSubstr("not a safetensors file"));
    EXPECT_THAT(error_of_header("[]"), HasSubstr("not a safetensors file"));
    EXPECT_THAT(error_of_header("{} x"), HasSubstr("not valid JSON at byte 11"));
    EXPECT_THAT(error_of_header("{\"\xFF\":{}}"), HasSubstr("not valid JSON at byte 10"));
    EXPECT_THAT(error_of_header(R"({"t":1})"), HasSubstr("\"t\" is not described by a JSON object"));
    EXPECT_THAT(error_of_header(R"({"t":[]})"), HasSubstr("\"t\" is not described by a JSON object"));
    EXPECT_THAT(error_of_header(R"({"__metadata__":{"a":1}})"), HasSubstr("__metadata__ \"a\" is not a string"));
    EXPECT_THAT(error_of_header("{\"a\":" + std::string(100000, '[')), HasSubstr("\"a\" is not described"));
    EXPECT_THAT(error_of_header(R"({"t":{"x":{"y":1}}})"), HasSubstr("nested too deep"));
    std::string metadata = R"({"__metadata__":{"0":"")";
    for (int i = 1; i <= 10'000; ++i) metadata += fmt::format(R"(,"{}":"")", i);
    EXPECT_THAT(error_of_header(metadata + "}}"), HasSubstr("\"__metadata__\" has more than 10000 values"));
    const std::string same = R"("t":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
    EXPECT_THAT(error_of_header("{" + same + "," + same + "}"), HasSubstr("tensor \"t\" appears twice"));
    EXPECT_THAT(error_of([] { open_safetensors("/nowhere/m"); }), HasSubstr("/nowhere/m: cannot open"));
}

}  // namespace
}  // namespace gremium
