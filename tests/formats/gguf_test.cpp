#include "formats/gguf/gguf.h"

#include <gmock/gmock.h>

#include "tests/formats/files.h"
#include "tests/formats/gguf_example.h"

namespace gremium {
namespace {

using test::Bytes;
using test::error_of;
using test::gguf_example;
using testing::ElementsAre;
using testing::HasSubstr;

GgufFile parse(const std::string& text) { return parse_gguf(test::bytes_of(text), "m.gguf"); }

TEST(Gguf, ReadsTheWorkedExample) {
    const std::string text = gguf_example();
    ASSERT_EQ(text.size(), 192u);
    const GgufFile file = parse(text);
    EXPECT_EQ(file.metadata.require<std::string>("general.architecture"), "llama");
    EXPECT_THAT(file.metadata.require<std::vector<int32_t>>("x.n"), ElementsAre(-1, 7));
    ASSERT_EQ(file.tensors.size(), 1u);
    const TensorView w = file.tensors.require("w", Shape{2, 4});
    EXPECT_EQ(w.dtype, DType::f32);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(w.f32()[i], static_cast<float>(i));
}

TEST(Gguf, WritesTheWorkedExampleByteForByte) {
    const test::TemporaryDirectory directory;
    Metadata metadata;
    metadata.set("general.architecture", "llama");
    metadata.set("x.n", std::vector<int32_t>{-1, 7});
    const std::vector<float> w{0, 1, 2, 3, 4, 5, 6, 7};
    GgufWriter writer(directory / "w.gguf", metadata, {{"w", DType::f32, {2, 4}}});
    EXPECT_FALSE(std::filesystem::exists(directory / "w.gguf"));
    writer.write("w", std::as_bytes(std::span(w)).first(5));  // in pieces
    writer.write("w", std::as_bytes(std::span(w)).subspan(5));
    writer.finish();
    EXPECT_EQ(test::read_bytes(directory / "w.gguf"), gguf_example());
}

// Every value type, every dtype, ranks one to four, an alignment of its own.
void write_rich_file(const std::filesystem::path& path) {
    Metadata m;
    m.set("general.alignment", uint32_t{64});
    m.set("u8", uint8_t{1});
    m.set("i8", int8_t{-1});
    m.set("u16", uint16_t{2});
    m.set("i16", int16_t{-2});
    m.set("u32", uint32_t{3});
    m.set("i32", int32_t{-3});
    m.set("f32", 0.25f);
    m.set("bool", true);
    m.set("string", std::string("z\0\xFF", 3));
    m.set("u64", ~uint64_t{0});
    m.set("i64", int64_t{-4});
    m.set("f64", -0.125);
    m.set("a.u8", std::vector<uint8_t>{1, 2});
    m.set("a.i8", std::vector<int8_t>{-1});
    m.set("a.u16", std::vector<uint16_t>{1});
    m.set("a.i16", std::vector<int16_t>{-1});
    m.set("a.u32", std::vector<uint32_t>{});
    m.set("a.i32", std::vector<int32_t>{1});
    m.set("a.f32", std::vector<float>{1, 2});
    m.set("a.bool", std::vector<bool>{true, false, true});
    m.set("a.string", std::vector<std::string>{"", "b"});
    m.set("a.u64", std::vector<uint64_t>{1});
    m.set("a.i64", std::vector<int64_t>{-1});
    m.set("a.f64", std::vector<double>{0.5});
    GgufWriter writer(path, m,
                      {{"four", DType::f32, {2, 1, 3, 2}},
                       {"f16", DType::f16, {3}},
                       {"bf16", DType::bf16, {3, 5}},
                       {"q8_0", DType::q8_0, {2, 3, 64}},
                       {"q4_0", DType::q4_0, {1, 32}},
                       {"i32", DType::i32, {1}}});
    for (const TensorDecl& t : writer.tensors()) {
        const std::string data(checked_bytes(t, "test"), t.name[0]);
        writer.write(t.name, test::bytes_of(data));
    }
    writer.finish();
}

TEST(Gguf, WhatIsReadAndWrittenBackIsIdentical) {
    const test::TemporaryDirectory directory;
    write_rich_file(directory / "a.gguf");
    const GgufFile file = open_gguf(directory / "a.gguf");
    EXPECT_EQ(file.tensors.require("q8_0", Shape{2, 3, 64}).bytes(), 2 * 3 * 2 * 34);
    EXPECT_EQ(test::text_of(file.tensors.require("bf16", Shape{3, 5})), std::string(30, 'b'));
    GgufWriter writer(directory / "b.gguf", file.metadata, file.tensors.declarations());
    test::copy_tensors(file.tensors, writer);
    EXPECT_EQ(test::read_bytes(directory / "a.gguf"), test::read_bytes(directory / "b.gguf"));
}

TEST(Gguf, ViewsOutliveTheFileAsLongAsTheIndex) {
    const test::TemporaryDirectory directory;
    test::write_bytes(directory / "w.gguf", gguf_example());
    TensorIndex kept = open_gguf(directory / "w.gguf").tensors;
    EXPECT_EQ(kept.require("w").f32()[7], 7.0f);
}

TEST(Gguf, AVocabularyNeedsNoTensors) {
    const std::string text =
        Bytes().raw("GGUF").add(3).add(int64_t{0}).add(int64_t{1}).string("k").add(6).add(1.5f).text();
    const GgufFile file = parse(text);
    EXPECT_EQ(file.metadata.require<float>("k"), 1.5f);
    EXPECT_EQ(file.tensors.size(), 0u);
}

TEST(Gguf, WriterRefusesWhatItCannotKeep) {
    const test::TemporaryDirectory directory;
    const auto path = directory / "x.gguf";
    const auto writer_for = [&](TensorDecl tensor) { GgufWriter(path, Metadata(), {std::move(tensor)}); };
    EXPECT_THAT(error_of([&] {
                    writer_for({std::string(64, 'n'), DType::f32, {1}});
                }),
                HasSubstr("GGUF allows 1 to 63"));
    EXPECT_THAT(error_of([&] { writer_for({"", DType::f32, {1}}); }), HasSubstr("GGUF allows 1 to 63"));
    EXPECT_THAT(error_of([&] { writer_for({"t", DType::q8_0, {2, 33}}); }), HasSubstr("whole blocks of 32"));
    EXPECT_THAT(error_of([&] {
                    writer_for({"t", DType::f8_e4m3, {2}});
                }),
                HasSubstr("\"t\" is f8_e4m3, which GGUF cannot hold"));
    EXPECT_THAT(error_of([&] { writer_for({"t", DType::f32, {2, 0}}); }), HasSubstr("is empty"));
    EXPECT_THAT(error_of([&] {
                    GgufWriter(path, Metadata(), {{"t", DType::f32, {1}}, {"t", DType::f32, {1}}});
                }),
                HasSubstr("declared twice"));
    const std::vector<float> values(4);
    const auto bytes = std::as_bytes(std::span(values));
    GgufWriter writer(path, Metadata(), {{"a", DType::f32, {2}}, {"b", DType::f32, {2}}});
    EXPECT_THAT(error_of([&] { writer.write("b", bytes.first(8)); }), HasSubstr("\"b\" was to be written where \"a\""));
    EXPECT_THAT(error_of([&] { writer.write("a", bytes); }), HasSubstr("has 8 bytes, 16 were to be written"));
    EXPECT_THAT(error_of([&] {
                    writer.write("a", as_tensor(values.data(), {1, 2}));
                }),
                HasSubstr("declared as f32 [2], but f32 [1, 2]"));
    writer.write("a", bytes.first(8));
    EXPECT_THAT(error_of([&] { writer.finish(); }), HasSubstr("\"b\" was not written"));
    EXPECT_FALSE(std::filesystem::exists(path));
}

// A model in two files, the metadata in the first.
void write_split(const test::TemporaryDirectory& directory, int32_t tensor_count = 2, uint16_t second_number = 1) {
    for (uint16_t i = 0; i < 2; ++i) {
        Metadata m;
        if (i == 0) m.set("general.architecture", "llama");
        m.set("split.no", i == 0 ? uint16_t{0} : second_number);
        m.set("split.count", uint16_t{2});
        m.set("split.tensors.count", tensor_count);
        const std::string name = i == 0 ? "first" : "second";
        GgufWriter writer(directory / fmt::format("m-{:05}-of-00002.gguf", i + 1), m, {{name, DType::f32, {1}}});
        const float value = i;
        writer.write(name, as_tensor(&value, {1}));
        writer.finish();
    }
}

TEST(Gguf, SplitFilesReadAsOneModelFromAnyPart) {
    const test::TemporaryDirectory directory;
    write_split(directory);
    for (const char* opened : {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}) {
        const GgufFile model = open_gguf(directory / opened);
        EXPECT_EQ(model.metadata.size(), 1u);  // without the split keys
        EXPECT_EQ(model.metadata.require<std::string>("general.architecture"), "llama");
        EXPECT_EQ(model.tensors.require("first", Shape{1}).f32()[0], 0.0f);
        EXPECT_EQ(model.tensors.require("second", Shape{1}).f32()[0], 1.0f);
    }
}

TEST(Gguf, SplitFilesMustFitTogether) {
    const test::TemporaryDirectory directory;
    write_split(directory, 3);
    const auto first = directory / "m-00001-of-00002.gguf", second = directory / "m-00002-of-00002.gguf";
    EXPECT_THAT(error_of([&] { open_gguf(first); }), HasSubstr("the parts hold 2 tensors, expected 3"));
    write_split(directory, 2, 0);
    EXPECT_THAT(error_of([&] { open_gguf(first); }), HasSubstr("split.no is 0 and split.count 2, expected 1 and 2"));
    write_split(directory);
    std::filesystem::copy(first, directory / "renamed.gguf");
    EXPECT_THAT(error_of([&] { open_gguf(directory / "renamed.gguf"); }), HasSubstr("-00001-of-00002.gguf"));
    std::filesystem::copy(first, second, std::filesystem::copy_options::overwrite_existing);
    EXPECT_THAT(error_of([&] { open_gguf(first); }), HasSubstr("m-00002-of-00002.gguf: split.no is 0"));
    std::filesystem::remove(second);
    EXPECT_THAT(error_of([&] { open_gguf(first); }), HasSubstr("m-00002-of-00002.gguf: cannot open"));
}

}  // namespace
}  // namespace gremium
