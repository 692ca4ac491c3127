#include "base/printable.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace gremium {
namespace {

TEST(Printable, TextStaysAndTheRestIsEscaped) {
    for (const char* text : {"", "plain", "über 10 % – ‘x’", "👨‍👩‍👧", "日本語", "~!@"}) {
        EXPECT_EQ(printable(text), text);
        EXPECT_EQ(first_unprintable(text), std::string::npos);
    }
    EXPECT_EQ(printable("a\nb\x1b[2J\x7f"), "a\\nb\\x1b[2J\\x7f");
    EXPECT_EQ(printable("\u202Eback \u2028\u0085"), "\\u202eback \\u2028\\u0085");
    EXPECT_EQ(printable("M\xFCller \xC3"), "M\\xfcller \\xc3");
    EXPECT_EQ(printable("\xC0\x9B \xED\xA0\x80"), "\\xc0\\x9b \\xed\\xa0\\x80");
    EXPECT_EQ(first_unprintable("übel\x1b"), 5u);
}

TEST(Printable, WhateverComesBecomesOneLineOfText) {
    Random random(7);
    for (int i = 0; i < 2000; ++i) {
        std::string bytes;
        for (uint64_t n = random.below(12); n > 0; --n) bytes += static_cast<char>(random.below(256));
        const std::string shown = printable(bytes);
        EXPECT_EQ(first_unprintable(shown), std::string::npos);
        EXPECT_EQ(first_unprintable(bytes) == std::string::npos, shown == bytes);
    }
}

TEST(Printable, FirstLinesAreCutBetweenCharacters) {
    EXPECT_EQ(first_line("one\ntwo"), "one");
    EXPECT_EQ(first_line("äöüß", 3), "äöü…");
    EXPECT_EQ(first_line("äöüß", 4), "äöüß");
    EXPECT_EQ(first_line(""), "");
}

}  // namespace
}  // namespace gremium
