// Where the named pre-tokenizers cut, derived by hand from their patterns.
#include "text/splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "base/error.h"
#include "text/pre_tokenizers.h"

namespace gremium {
namespace {

using testing::ElementsAre;

std::vector<std::string> words(std::span<const std::string> patterns, std::string_view text) {
    std::vector<std::string> result;
    Splitter(patterns).split(text, [&](std::string_view word) { result.emplace_back(word); });
    return result;
}

std::vector<std::string> words(std::string_view name, std::string_view text) {
    return words(pre_tokenizer(name).patterns, text);
}

TEST(Splitter, EveryNameHasPatternsThatKeepTheText) {
    const std::string text =
        "Hello, world's 12345 tests!\n\n\t  It'S \u0645\u0631\u062D\u0628\u0627 \u4F60\u597D\u3053\u3093 "
        "cafe\u0301 x\u00B2 \xFF\x80 \U0001F999?!  \r\n";
    for (const char* name :
         {"llama-bpe",  "dbrx",         "qwen2",          "qwen35",      "gpt-2",  "starcoder", "falcon",  "default",
          "",           "deepseek-llm", "deepseek-coder", "deepseek-v3", "gpt-4o", "tekken",    "kimi-k2", "bailingmoe",
          "seed-coder", "exaone-moe",   "tiny_aya",       "superbpe",    "bloom",  "viking",    "afmoe",   "laguna"}) {
        std::string joined;
        for (const std::string& word : words(name, text)) {
            EXPECT_FALSE(word.empty()) << name;
            joined += word;
        }
        EXPECT_EQ(joined, text) << name;
        EXPECT_TRUE(words(name, "").empty()) << name;
    }
}

TEST(Splitter, Gpt2) {
    EXPECT_THAT(words("gpt-2", "I'll say  it's 1234,ok\n\n x"),
                ElementsAre("I", "'ll", " say", " ", " it", "'s", " 1234", ",", "ok", "\n\n", " x"));
    EXPECT_THAT(words("gpt-2", "IT'S "), ElementsAre("IT", "'", "S", " "));
    EXPECT_THAT(words("starcoder", "a 123b"), ElementsAre("a", " ", "1", "2", "3", "b"));
    EXPECT_THAT(words("falcon", "a1234$=b"), ElementsAre("a", "123", "4", "$=", "b"));
}

TEST(Splitter, Llama3AndQwen2) {
    EXPECT_THAT(words("llama-bpe", "IT'S 12345 (abc);\n\n  foo"),
                ElementsAre("IT", "'S", " ", "123", "45", " (", "abc", ");\n\n", " ", " foo"));
    EXPECT_THAT(words("qwen2", "a 123"), ElementsAre("a", " ", "1", "2", "3"));
    EXPECT_THAT(words("llama-bpe", " \n \nx"), ElementsAre(" \n \n", "x"));  // up to the last line end of the run
    EXPECT_THAT(words("llama-bpe", "x   "), ElementsAre("x", "   "));
}

TEST(Splitter, O200kAndTekkenBeginAnewAtCapitals) {
    EXPECT_THAT(words("gpt-4o", "camelCase don't 1234 a//\n"),
                ElementsAre("camel", "Case", " don't", " ", "123", "4", " a", "//\n"));
    EXPECT_THAT(words("tekken", "don't 12"), ElementsAre("don", "'t", " ", "1", "2"));
    // true case, also beyond ASCII
    EXPECT_THAT(words("gpt-4o", "\u0444\u0443\u0424\u0443"), ElementsAre("\u0444\u0443", "\u0424\u0443"));
    EXPECT_THAT(words("kimi-k2", "ab\u4F60\u597Dab"), ElementsAre("ab", "\u4F60\u597D", "ab"));
}

TEST(Splitter, AfmoeGroupsDigitsFromTheRight) {
    EXPECT_THAT(words("afmoe", "1234567 123456 12 1234"),
                ElementsAre("1", "234", "567", " ", "123", "456", " ", "12", " ", "1", "234"));
    EXPECT_THAT(words("afmoe", "ab\u4F60\u597Dab"), ElementsAre("ab", "\u4F60\u597D", "ab"));
    EXPECT_THAT(words("laguna", "a\n\n b 12"), ElementsAre("a", "\n\n", " b", " ", "1", "2"));
}

TEST(Splitter, DeepSeek) {
    EXPECT_THAT(words("deepseek-v3", "x=12345\u4F60\u597D_abc cafe\u0301"),
                ElementsAre("x", "=", "123", "45", "\u4F60\u597D", "_abc", " cafe\u0301"));
    EXPECT_THAT(words("deepseek-llm", "ab\n 12, c"), ElementsAre("ab", "\n", " ", "12", ",", " c"));
    EXPECT_THAT(words("deepseek-coder", "ab\n\n x12"), ElementsAre("ab", "\n", "\n", " x", "1", "2"));
}

TEST(Splitter, WhiteSpaceIsUnicodes) {
    EXPECT_THAT(words("gpt-2", "a\u3000\u3000b"), ElementsAre("a", "\u3000", "\u3000", "b"));
    EXPECT_THAT(words("gpt-2", "a\u180E!"), ElementsAre("a", "\u180E!"));  // white space until Unicode 6.3
    EXPECT_THAT(words("gpt-2", "a\u0085\u0085"), ElementsAre("a", "\u0085\u0085"));
}

TEST(Splitter, EmptyMatchesCut) {
    EXPECT_THAT(words("superbpe", "1234567"), ElementsAre("1", "234", "567"));
    const std::vector<std::string> everywhere = {"x*"};
    EXPECT_THAT(words(everywhere, "axxb"), ElementsAre("a", "xx", "b"));
}

TEST(Splitter, WhatIsNotUtf8IsKept) {
    EXPECT_THAT(words("gpt-2", "ab\xFF\xFE cd"), ElementsAre("ab", "\xFF\xFE", " cd"));
    EXPECT_THAT(words("gpt-2", "\xE4\xBD"), ElementsAre("\xE4\xBD"));
}

TEST(Splitter, AHostilePatternEnds) {
    const std::vector<std::string> hostile = {"(a+)+[bd]"};
    EXPECT_THROW(words(hostile, std::string(40, 'a') + "c"), Error);
    EXPECT_THROW(words(std::vector<std::string>(100'000, " "), "a b"), Error);
}

TEST(Splitter, AMatchThatBeginsBehindItsEndKeepsTheText) {
    const std::vector<std::string> patterns = {"(?(DEFINE)(?<k>b\\K))(?=a(?&k))"};
    std::string joined;
    for (const std::string& word : words(patterns, "xabyabab")) joined += word;
    EXPECT_EQ(joined, "xabyabab");
}

TEST(PreTokenizers, PatternsFindTheirNames) {
    for (const char* name :
         {"llama-bpe", "dbrx", "qwen2", "gpt-2", "starcoder", "falcon", "default", "deepseek-llm", "deepseek-coder",
          "deepseek-v3", "gpt-4o", "tekken", "kimi-k2", "viking", "afmoe", "laguna"}) {
        const PreTokenizer& row = pre_tokenizer(name);
        EXPECT_EQ(pre_tokenizer_name(row.patterns, row.ignore_merges), name);
    }
    EXPECT_EQ(pre_tokenizer("olmo").patterns, pre_tokenizer("gpt-2").patterns);
    EXPECT_EQ(pre_tokenizer_name(std::vector<std::string>{"x"}, false), "");
}

// Work that grows with the square of a run's length takes seconds here, what is near linear hundredths of one.
TEST(Splitter, LongRunsTakeTimeInProportion) {
    constexpr size_t size = 60'000;
    const auto repeated = [](std::string_view part) {
        std::string text;
        while (text.size() < size) text += part;
        return text;
    };
    for (const char* name :
         {"llama-bpe",    "dbrx",           "qwen2",       "qwen35", "gpt-2",  "starcoder", "falcon",     "default",
          "deepseek-llm", "deepseek-coder", "deepseek-v3", "gpt-4o", "tekken", "kimi-k2",   "bailingmoe", "seed-coder",
          "exaone-moe",   "tiny_aya",       "superbpe",    "bloom",  "viking", "afmoe",     "laguna"}) {
        const Splitter splitter(pre_tokenizer(name).patterns);
        for (const char* part :
             {"a", "A", "aB", " ", "\n",     "\r\n", " \n", "\t", "7",      "\u0663", "\u00B2", "e\u0301",   "\u0301",
              "'", ".", "_",  "/", "\u5B57", " a",   "1,",  "a1", "\u3000", "\xFF",   "'s",     "\U0001F999"}) {
            for (const char* behind : {"", "x", "!"}) {
                const std::string text = repeated(part) + behind;
                const std::clock_t begin = std::clock();
                size_t total = 0;
                splitter.split(text, [&](std::string_view word) { total += word.size(); });
                EXPECT_EQ(total, text.size()) << name << ": " << part << " before \"" << behind << "\"";
                EXPECT_LT(std::clock() - begin, 2 * CLOCKS_PER_SEC)
                    << name << ": " << part << " before \"" << behind << "\"";
            }
        }
    }
}

TEST(Splitter, LongWordsOfRepetitionsWithinRepetitions) {
    const std::string text(600'000, 'a');
    EXPECT_EQ(words("exaone-moe", text), std::vector{text});
}

TEST(Splitter, WhatHasNoCounterpartIsRefused) {
    for (const char* expression : {"[a[bc]]", "[^a&&b]", "[\\W]", "\\X", "\\h", "[[:graph:]]", "(", "\\p{Nowhere}"})
        EXPECT_THROW(Splitter(std::vector<std::string>{expression}), Error) << expression;
    const std::vector<std::string> both = {"[a-z&&[^b]]+"};
    EXPECT_THAT(words(both, "abcd1"), ElementsAre("a", "b", "cd", "1"));
}

TEST(Splitter, DigitsInGroupsOfThree) {
    EXPECT_THAT(words("tiny_aya", "1234567 12 x"), ElementsAre("1", "234", "567", " ", "12", " x"));
    EXPECT_THAT(words("tiny_aya", "1234a 123."), ElementsAre("123", "4", "a", " ", "123", "."));
    const std::vector<std::string> ahead = {R"((?=(?:\p{N}{3})+(?!\p{N})))"};
    EXPECT_THAT(words(ahead, "x1234567y12"), ElementsAre("x1", "234", "567y12"));
    EXPECT_THAT(words(ahead, "123\u0664\u0665"), ElementsAre("12", "3\u0664\u0665"));
}

}  // namespace
}  // namespace gremium
