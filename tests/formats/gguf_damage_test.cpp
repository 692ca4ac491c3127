// Damaged and hostile GGUF: an Error of one line or a valid index, nothing else.
#include <gmock/gmock.h>

#include <functional>

#include "formats/gguf/gguf.h"
#include "tests/formats/files.h"
#include "tests/formats/gguf_example.h"

namespace gremium {
namespace {

using test::Bytes;
using test::error_of;
using test::exact;
using test::gguf_example;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string error_of_parsing(const std::string& text) {
    const std::vector<std::byte> bytes = exact(text);
    return error_of([&] { parse_gguf(bytes, "m.gguf"); });
}

TEST(GgufDamage, EveryTruncationIsAnError) {
    const std::string whole = gguf_example();
    for (size_t size = 0; size < whole.size(); ++size) {
        EXPECT_THAT(error_of_parsing(whole.substr(0, size)), StartsWith("m.gguf: ")) << size;
    }
}

TEST(GgufDamage, EveryFlippedBitIsAnErrorOrAValidFile) {
    const std::string whole = gguf_example();
    const test::Outcomes outcomes =
        test::flip_every_bit(whole, 160, [](const auto& bytes) { return parse_gguf(bytes, "m.gguf"); });
    EXPECT_EQ(outcomes.valid + outcomes.errors, 160u * 8);
    EXPECT_GT(outcomes.errors, 500u);
    EXPECT_GT(outcomes.valid, 200u);  // letters of names, values, padding
}

// One tensor whose description is at fault, and everything else right.
struct OneTensor {
    std::string name = "t";
    std::vector<int64_t> ne{4, 2};
    uint32_t type = 0;
    uint64_t offset = 0;
    size_t data = 64;
    uint32_t alignment = 32;

    std::string text() const {
        Bytes b;
        b.raw("GGUF").add(3).add(int64_t{1}).add(int64_t{1});
        b.string("general.alignment").add(4).add(alignment);
        b.string(name).add(static_cast<uint32_t>(ne.size()));
        for (const int64_t n : ne) b.add(n);
        b.add(type).add(offset).align(std::max<size_t>(alignment, 1) <= 4096 ? std::max<size_t>(alignment, 1) : 1);
        return b.raw(std::string(data, '\0')).text();
    }
};

TEST(GgufDamage, TensorsThatCannotBe) {
    constexpr int64_t big = int64_t{1} << 62;
    EXPECT_EQ(parse_gguf(exact(OneTensor().text()), "m.gguf").tensors.size(), 1u);
    EXPECT_THAT(error_of_parsing(OneTensor{.ne = {}}.text()), HasSubstr("\"t\" has 0 dimensions, expected 1 to 4"));
    EXPECT_THAT(error_of_parsing(OneTensor{.ne = {1, 1, 1, 1, 1}}.text()), HasSubstr("has 5 dimensions"));
    EXPECT_THAT(error_of_parsing(OneTensor{.ne = {0, 2}}.text()), HasSubstr("a dimension of 0"));
    EXPECT_THAT(error_of_parsing(OneTensor{.ne = {4, -2}}.text()), HasSubstr("a dimension of -2"));
    EXPECT_THAT(error_of_parsing(OneTensor{.ne = {big, 4}}.text()), HasSubstr("impossible shape"));
    EXPECT_THAT(error_of_parsing(OneTensor{.ne = {big, 1}}.text()), HasSubstr("\"t\""));  // 2^64 bytes
    EXPECT_THAT(error_of_parsing(OneTensor{.ne = {33, 2}, .type = 8}.text()), HasSubstr("whole blocks of 32"));
    EXPECT_THAT(error_of_parsing(OneTensor{.offset = 8}.text()), HasSubstr("offset 8, expected a multiple of 32"));
    EXPECT_THAT(error_of_parsing(OneTensor{.offset = 64}.text()), HasSubstr("needs 32 bytes at offset 64"));
    EXPECT_THAT(error_of_parsing(OneTensor{.offset = ~uint64_t{31}}.text()),
                HasSubstr("at offset 18446744073709551584"));
    EXPECT_THAT(error_of_parsing(OneTensor{.name = ""}.text()), HasSubstr("a tensor name of 0 bytes"));
    EXPECT_THAT(error_of_parsing(OneTensor{.data = 31}.text()), HasSubstr("the file has 31 bytes of tensor data"));
    for (const uint32_t alignment : {0u, 4u, 33u, 1u << 31})
        EXPECT_THAT(error_of_parsing(OneTensor{.alignment = alignment}.text()), HasSubstr("general.alignment is"));
}

TEST(GgufDamage, UnknownTypesAreNamed) {
    EXPECT_THAT(error_of_parsing(OneTensor{.type = 15}.text()),
                AllOf(HasSubstr("tensor \"t\" has type Q8_K (15), supported are F32, F16, Q4_0")));
    EXPECT_THAT(error_of_parsing(OneTensor{.type = 4}.text()), HasSubstr("has unknown type 4"));
    EXPECT_THAT(error_of_parsing(OneTensor{.type = 0x80000000u}.text()), HasSubstr("has unknown type 2147483648"));
    for (const auto& [type, name] :
         {std::pair{137u, "IQ2_K (137)"}, {36u, "I2_S (36)"}, {202u, "Q4_0 with interleaved"}})
        EXPECT_THAT(error_of_parsing(OneTensor{.type = type}.text()),
                    AllOf(HasSubstr(name), HasSubstr("ik_llama.cpp"), HasSubstr("--allow-requantize")));
}

TEST(GgufDamage, TensorsTogetherAreNoLargerThanTheFile) {
    Bytes b;
    b.raw("GGUF").add(3).add(int64_t{2}).add(int64_t{0});
    for (const char* name : {"a", "b"}) b.string(name).add(1).add(int64_t{16}).add(0).add(int64_t{0});
    EXPECT_THAT(error_of_parsing(b.align(32).raw(std::string(64, '\0')).text()),
                HasSubstr("tensor \"b\" needs 64 bytes"));
}

TEST(GgufDamage, CountsThatTheFileCannotHold) {
    const auto header = [](int64_t tensors, int64_t keys) {
        return Bytes().raw("GGUF").add(3).add(tensors).add(keys).raw(std::string(100, '\0')).text();
    };
    for (const int64_t count : {int64_t{-1}, int64_t{1} << 60, int64_t{1000}}) {
        EXPECT_THAT(error_of_parsing(header(count, 0)), HasSubstr("the number of tensors is"));
        EXPECT_THAT(error_of_parsing(header(0, count)), HasSubstr("the number of metadata keys is"));
    }
    const auto one_key = [](const std::function<void(Bytes&)>& value) {
        Bytes b;
        value(b.raw("GGUF").add(3).add(int64_t{0}).add(int64_t{1}).string("key"));
        return b.raw(std::string(16, '\0')).text();
    };
    constexpr uint64_t huge = ~uint64_t{0} / 2;
    EXPECT_THAT(error_of_parsing(one_key([](Bytes& b) { b.add(8).add(huge); })),
                HasSubstr("key \"key\" needs 9223372036854775807"));
    EXPECT_THAT(error_of_parsing(one_key([](Bytes& b) { b.add(9).add(5).add(huge); })),
                HasSubstr("key \"key\" is 9223372036854775807, more than"));
    EXPECT_THAT(error_of_parsing(one_key([](Bytes& b) { b.add(9).add(8).add(int64_t{3}); })),
                HasSubstr("key \"key\" is 3, more than"));
    EXPECT_THAT(error_of_parsing(one_key([](Bytes& b) { b.add(9).add(9).add(int64_t{1}); })),
                HasSubstr("unknown element type 9"));
    EXPECT_THAT(error_of_parsing(one_key([](Bytes& b) { b.add(13); })), HasSubstr("unknown value type 13"));
    EXPECT_THAT(error_of_parsing(one_key([](Bytes& b) { b.add(7).add(uint8_t{2}); })), HasSubstr("a bool of value 2"));
}

TEST(GgufDamage, NamesAppearOnce) {
    Bytes keys;
    keys.raw("GGUF").add(3).add(int64_t{0}).add(int64_t{2});
    for (int i = 0; i < 2; ++i) keys.string("same").add(0).add(uint8_t{1});
    EXPECT_THAT(error_of_parsing(keys.text()), HasSubstr("key \"same\" appears twice"));
    Bytes tensors;
    tensors.raw("GGUF").add(3).add(int64_t{2}).add(int64_t{0});
    for (int64_t i = 0; i < 2; ++i) tensors.string("same").add(1).add(int64_t{8}).add(0).add(i * 32);
    EXPECT_THAT(error_of_parsing(tensors.align(32).raw(std::string(64, '\0')).text()),
                HasSubstr("tensor \"same\" appears twice"));
}

TEST(GgufDamage, OtherFilesAreRecognised) {
    EXPECT_THAT(error_of_parsing(""), HasSubstr("not a GGUF file"));
    EXPECT_THAT(error_of_parsing("PK\x03\x04 and so on"), HasSubstr("not a GGUF file"));
    EXPECT_THAT(error_of_parsing(Bytes().raw("GGUF").add(0x03000000).text()), HasSubstr("big-endian"));
    for (const int version : {0, 1, 4})
        EXPECT_THAT(error_of_parsing(Bytes().raw("GGUF").add(version).text()), HasSubstr("supported are 2 and 3"));
    EXPECT_THAT(error_of([] { open_gguf("/nowhere/m.gguf"); }), HasSubstr("/nowhere/m.gguf: cannot open"));
    EXPECT_THAT(error_of([] { open_gguf("/"); }), HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace gremium
