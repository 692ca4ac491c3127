#include "text/train_vocabulary.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "text/presplit.h"
#include "text/sentencepiece.h"

namespace gremium {
namespace {

std::vector<std::string> words_of(std::string_view text, bool split_digits = true) {
    std::vector<std::string> words;
    while (!text.empty()) {
        const size_t size = first_word(text, split_digits);
        if (size == 0) return {"no progress"};
        words.emplace_back(text.substr(0, size));
        text.remove_prefix(size);
    }
    return words;
}

TEST(Presplit, CutsTextIntoWords) {
    using Words = std::vector<std::string>;
    EXPECT_EQ(words_of("the end of äöü"), (Words{"the", " end", " of", " äöü"}));
    EXPECT_EQ(words_of("  a.append(x1) 23"), (Words{"  ", "a", ".append", "(x", "1", ")", " ", "2", "3"}));
    EXPECT_EQ(words_of("if x:\n\t\treturn\n"), (Words{"if", " x", ":\n\t\t", "return", "\n"}));
    EXPECT_EQ(words_of("a;\r\n\r\n    b {\n"), (Words{"a", ";\r\n\r\n    ", "b", " {\n"}));
    EXPECT_EQ(words_of("x\t=  y \n\n z"), (Words{"x", "\t", "=", "  ", "y", " \n\n ", "z"}));
    EXPECT_EQ(words_of("1234567", false), (Words{"123", "456", "7"}));
    EXPECT_EQ(words_of("->next --x\t"), (Words{"->", "next", " --", "x", "\t"}));
}

TEST(Presplit, WordsPutTogetherAreTheText) {
    Random random(1);
    for (int i = 0; i < 2000; ++i) {
        std::string text;
        for (uint64_t n = random.below(20); n > 0; --n) text += "aZ09 \t\n\r.(_\xC3\xA4"[random.below(13)];
        std::string together;
        for (const std::string& word : words_of(text)) together += word;
        ASSERT_EQ(together, text);
    }
}

// A little program over and over, with rare characters in between.
Vocabulary train(const VocabularyTraining& options, bool backwards = false) {
    std::vector<std::string> samples;
    for (int i = 0; i < 40; ++i) {
        samples.push_back("def function_" + std::to_string(i) +
                          "(self, value):\n    if value:\n\t\treturn self.value\n\n");
        samples.push_back("Der König trank Tee, the king drank tea. " + std::string(i == 7 ? "漢\0字" : ""));
    }
    if (backwards) std::reverse(samples.begin(), samples.end());
    size_t i = 0;
    return train_vocabulary(options, [&](std::string& sample) {
        if (i == samples.size()) return false;
        sample = samples[i++];
        return true;
    });
}

bool holds(const Vocabulary& v, const std::string& token) {
    return std::find(v.tokens.begin(), v.tokens.end(), token) != v.tokens.end();
}

TEST(TrainVocabulary, HasTheSizeAskedForAndTokensThatSuitCode) {
    const Vocabulary v = train({.size = 400, .character_coverage = 0.999});
    EXPECT_EQ(v.size(), 400);
    EXPECT_EQ(v.tokens[v.unk] + v.tokens[v.bos] + v.tokens[v.eos], "<unk><s></s>");
    EXPECT_EQ(std::count(v.types.begin(), v.types.end(), TokenType::byte), 256);
    for (const char* token : {"▁value", ".value", "):\n▁▁▁▁", ":\n\t\t", "▁König", "t", "▁"})
        EXPECT_TRUE(holds(v, token)) << token;
    EXPECT_FALSE(holds(v, "漢"));
    EXPECT_FALSE(holds(v, "11"));
    std::vector<std::string> sorted = v.tokens;
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end());
}

TEST(TrainVocabulary, EveryTextComesBack) {
    for (bool prefix : {false, true}) {
        const auto t = make_tokenizer(train({.size = 380, .add_space_prefix = prefix}));
        for (const std::string text :
             {"def f():\n\tif x:\n        return  self.value\r\n", "  König 漢字 🦙", "\xFF\t\t \xC3", "\n"}) {
            EXPECT_EQ(t->decode(t->encode(text)), text);
        }
        const auto ids = t->encode("the value", {.add_bos_eos = false});
        EXPECT_EQ(t->piece(ids[0]).starts_with(' '), prefix);
    }
}

TEST(TrainVocabulary, DependsOnTheSamplesAlone) {
    const Vocabulary v = train({.size = 400});
    EXPECT_EQ(train({.size = 400}), v);
    EXPECT_EQ(train({.size = 400}, true), v);
    EXPECT_EQ(train({.size = 400, .threads = 3}), v);
}

TEST(TrainVocabulary, OfLittleTextIsSmallerWhereThatIsAllowed) {
    const Vocabulary all = train({.size = 100000, .or_fewer = true});
    EXPECT_LT(all.size(), 100000);
    EXPECT_GT(all.size(), 400);
    EXPECT_EQ(train({.size = all.size()}), all);
    EXPECT_EQ(train({.size = 400, .or_fewer = true}), train({.size = 400}));
}

TEST(TrainVocabulary, TooLittleTextIsAnErrorAndNothingIsPrinted) {
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    EXPECT_THROW(train({.size = 100000}), Error);
    EXPECT_THROW(train({.size = 100}), Error);
    EXPECT_THROW(train({.size = -1}), Error);
    EXPECT_THROW(train({.size = 400, .character_coverage = 7}), Error);
    EXPECT_THROW(train({.size = 400, .max_token_length = 0}), Error);
    EXPECT_THROW(train_vocabulary({}, [](std::string&) { return false; }), Error);
    train({.size = 400});
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace gremium
