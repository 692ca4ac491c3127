#include "text/text_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"

namespace gremium {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Heard {
    std::string text;
    std::vector<std::string> notes;
};

Heard decoded(std::string_view bytes, DecodeTextOptions options = {}) {
    Heard heard;
    options.note = [&](const std::string& line) { heard.notes.push_back(line); };
    heard.text = decode_text(bytes, "f", options).value_or(std::string(bytes));
    return heard;
}

std::string refusal(std::string_view bytes, const DecodeTextOptions& options = {}) {
    try {
        decode_text(bytes, "f", options);
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

void put(std::string& bytes, uint32_t value, size_t width, bool big_endian) {
    for (size_t i = 0; i < width; ++i) bytes += static_cast<char>(value >> 8 * (big_endian ? width - 1 - i : i) & 0xFF);
}

std::string wide(std::u32string_view text, size_t width, bool big_endian, bool mark) {
    std::string bytes;
    if (mark) put(bytes, 0xFEFF, width, big_endian);
    for (const char32_t c : text) {
        if (width == 2 && c > 0xFFFF) {
            put(bytes, 0xD800 + ((c - 0x10000) >> 10), 2, big_endian);
            put(bytes, 0xDC00 + ((c - 0x10000) & 0x3FF), 2, big_endian);
        } else {
            put(bytes, c, width, big_endian);
        }
    }
    return bytes;
}

TEST(TextFile, PlainTextIsNotTouched) {
    for (const std::string text : {"", "a", "a\n", "a\rb\n", "grün\n€ 😀", "tab\tand \x1b[1mcolour"}) {
        EXPECT_FALSE(decode_text(text, "f")) << text;
        EXPECT_THAT(decoded(text).notes, IsEmpty()) << text;
    }
}

TEST(TextFile, EveryEncodingOfATextIsTheSameText) {
    const std::u32string text = U"Grüße, 世界: 😀 \U0010FFFF and more of it\nsecond line\n";
    const std::string expected = "Grüße, 世界: 😀 \U0010FFFF and more of it\nsecond line\n";
    EXPECT_EQ(decoded("\xEF\xBB\xBF" + expected).text, expected);
    for (const size_t width : {2u, 4u})
        for (const bool big : {false, true}) {
            const Heard heard = decoded(wide(text, width, big, true));
            EXPECT_EQ(heard.text, expected);
            EXPECT_THAT(heard.notes, ElementsAre(HasSubstr(width == 2 ? "UTF-16" : "UTF-32")));
        }
    for (const bool big : {false, true})
        EXPECT_EQ(decoded(wide(U"plain text\n", 2, big, false)).text, "plain text\n") << "without a mark";
}

TEST(TextFile, LineEndsOfWindowsAreLineEnds) {
    const Heard heard = decoded("a\r\n\r\nb\r\n");
    EXPECT_EQ(heard.text, "a\n\nb\n");
    EXPECT_THAT(heard.notes, ElementsAre("f: its lines end with CR LF; read as LF"));
    EXPECT_EQ(decoded(wide(U"a line\r\n", 2, false, true)).text, "a line\n");
    EXPECT_EQ(decoded("a\rb\r\n").text, "a\rb\n") << "one within a line is text";
    const Heard both = decoded("a\r\nb\n");
    EXPECT_EQ(both.text, "a\r\nb\n");
    EXPECT_THAT(both.notes, ElementsAre(HasSubstr("1 of 2 lines")));
    EXPECT_EQ(decoded("a\r\nb\n", {.form = TextForm::lines}).text, "a\nb\n");
    for (const std::string bytes : {"a\r\nb\r\n",
                                    "\xEF\xBB\xBF"
                                    "a",
                                    "caf\xE9 and more"}) {
        EXPECT_EQ(decoded(bytes, {.form = TextForm::exact}).text, bytes);
        EXPECT_EQ(decoded(bytes, {.form = TextForm::exact}).notes.size(), 1u);
    }
}

TEST(TextFile, Latin1IsReadAndBrokenUtf8IsSaid) {
    const Heard old = decoded("caf\xE9 \x93quoted\x94 50 \x80\n");
    EXPECT_EQ(old.text, "café “quoted” 50 €\n");
    EXPECT_THAT(old.notes, ElementsAre(HasSubstr("byte 3 is not UTF-8; read as Windows-1252")));
    // Cut within a character.
    const Heard cut = decoded("grün und gr\xC3");
    EXPECT_EQ(cut.text, "grün und gr\xC3");
    EXPECT_THAT(cut.notes, ElementsAre(HasSubstr("byte 12 is not UTF-8")));
}

TEST(TextFile, WhatIsNoTextIsRefused) {
    std::mt19937 random(1);
    std::string noise;
    for (int i = 0; i < 4096; ++i) noise += static_cast<char>(random());
    EXPECT_THAT(refusal(noise), HasSubstr("f: no text"));
    EXPECT_THAT(refusal("\x1f\x8b\x08" + noise), HasSubstr("gzip"));
    EXPECT_THAT(refusal("\x28\xb5\x2f\xfd" + noise, {.nul = true}), HasSubstr("zstd"));
    EXPECT_THAT(refusal(std::string("a\0b", 3)), HasSubstr("byte 1 is zero"));
    EXPECT_EQ(decoded(std::string_view("a\0b", 3), {.nul = true}).text, std::string("a\0b", 3));
    EXPECT_THAT(refusal("\xFF\xFE"
                        "a"),
                HasSubstr("ends within a character"));
    EXPECT_THAT(refusal(std::string("\xFF\xFE\x00\xD8"
                                    "a\0",
                                    6)),
                HasSubstr("byte 2 begins no character of UTF-16"));
    EXPECT_EQ(refusal("%PDF- is how such files begin"), "");
}

// Whatever the bytes: text comes out, or one line that says why not.
TEST(TextFile, AnyBytesAreTextOrRefused) {
    std::mt19937 random(2);
    const std::string_view parts[] = {"a",        "\r\n",         "\n",  "ü", "\xE9", std::string_view("\0", 1),
                                      "\xFF\xFE", "\xEF\xBB\xBF", "\x01"};
    for (int round = 0; round < 2000; ++round) {
        std::string bytes;
        for (size_t n = random() % 12; n > 0; --n) bytes += parts[random() % std::size(parts)];
        try {
            const Heard heard = decoded(bytes);
            EXPECT_EQ(heard.text.find('\0'), std::string::npos);
            // What was changed is said.
            EXPECT_TRUE(heard.text == bytes || !heard.notes.empty());
        } catch (const Error& error) {
            EXPECT_THAT(error.what(), testing::StartsWith("f: "));
        }
    }
}

}  // namespace
}  // namespace gremium
