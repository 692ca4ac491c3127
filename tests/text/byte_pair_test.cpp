// Byte-level BPE against its definition, written the slow way.
#include "text/byte_pair.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "text/byte_alphabet.h"
#include "text/pre_tokenizers.h"

namespace gremium {
namespace {

using Ids = std::vector<int32_t>;

std::string spelled(std::string_view bytes) {
    std::string result;
    for (char byte : bytes) result += byte_character(static_cast<unsigned char>(byte));
    return result;
}

void add_token(Vocabulary& v, const std::string& token, TokenType type = TokenType::normal) {
    v.tokens.push_back(token);
    v.types.push_back(type);
}

// The 256 bytes in order, then the given merges of "left right" in plain bytes.
Vocabulary small_vocabulary(const std::vector<std::pair<std::string, std::string>>& merges) {
    Vocabulary v;
    v.model = "gpt2";
    v.pre = "gpt-2";
    for (int byte = 0; byte < 256; ++byte) add_token(v, spelled(std::string(1, static_cast<char>(byte))));
    for (const auto& [left, right] : merges) {
        v.merges.push_back(spelled(left) + " " + spelled(right));
        add_token(v, spelled(left + right));
    }
    return v;
}

TEST(ByteAlphabet, IsGpt2s) {
    EXPECT_EQ(byte_character('a'), "a");
    EXPECT_EQ(byte_character(' '), "Ġ");
    EXPECT_EQ(byte_character('\n'), "Ċ");
    EXPECT_EQ(byte_character('\t'), "ĉ");
    EXPECT_EQ(byte_character(0xAD), "\u0143");  // the last of the 68
    EXPECT_EQ(byte_character(0xFF), "ÿ");
    for (int byte = 0; byte < 256; ++byte) {
        EXPECT_EQ(spelled_bytes(byte_character(static_cast<unsigned char>(byte))),
                  std::string(1, static_cast<char>(byte)));
    }
    EXPECT_EQ(spelled_bytes("▁a"), std::nullopt);
    EXPECT_EQ(spelled_bytes("a\xC4"), std::nullopt);
}

// The pair of lowest rank merges wherever it stands first, again and again.
Ids merge_slowly(const Vocabulary& v, const std::string& word) {
    std::vector<std::string> symbols;
    for (char byte : word) symbols.push_back(spelled(std::string(1, byte)));
    while (true) {
        size_t best_rank = v.merges.size(), at = 0;
        for (size_t i = 0; i + 1 < symbols.size(); ++i) {
            const auto merge = std::ranges::find(v.merges, symbols[i] + " " + symbols[i + 1]);
            const size_t rank = merge - v.merges.begin();
            if (rank < best_rank) best_rank = rank, at = i;
        }
        if (best_rank == v.merges.size()) break;
        symbols[at] += symbols[at + 1];
        symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
    Ids ids;
    for (const std::string& symbol : symbols) {
        ids.push_back(static_cast<int32_t>(std::ranges::find(v.tokens, symbol) - v.tokens.begin()));
    }
    return ids;
}

TEST(BytePair, EqualsTheDefinitionOnRandomMergesAndWords) {
    for (uint64_t seed = 0; seed < 40; ++seed) {
        Random random(seed);
        std::vector<std::string> known = {"a", "b", "c", "\xC3", "\xA4"};
        std::vector<std::pair<std::string, std::string>> merges;
        while (merges.size() < 30) {
            const std::string left = known[random.below(known.size())], right = known[random.below(known.size())];
            const auto same = [&](const auto& merge) { return merge.first + merge.second == left + right; };
            if (std::ranges::any_of(merges, same)) continue;
            merges.emplace_back(left, right);
            known.push_back(left + right);
        }
        Vocabulary v = small_vocabulary(merges);
        v.splits = {"(?!)"};  // one word
        const auto tokenizer = make_tokenizer(v);
        for (int i = 0; i < 30; ++i) {
            std::string word;
            for (uint64_t n = 1 + random.below(60); n > 0; --n) word += known[random.below(5)];
            ASSERT_EQ(tokenizer->encode(word), merge_slowly(v, word)) << "seed " << seed;
            ASSERT_EQ(tokenizer->decode(tokenizer->encode(word)), word);
        }
    }
}

TEST(BytePair, AnyBytesComeBackAsTheyWere) {
    const auto t = make_tokenizer(small_vocabulary({{"a", "b"}, {" ", "ab"}, {"\xC3", "\xA4"}}));
    Random random(4);
    for (int i = 0; i < 300; ++i) {
        std::string text;
        for (uint64_t n = random.below(50); n > 0; --n) {
            text += static_cast<char>(random.below(2) ? random.below(256) : " ab\n"[random.below(4)]);
        }
        ASSERT_EQ(t->decode(t->encode(text)), text);
    }
}

TEST(BytePair, MergesStayWithinWords) {
    const auto t = make_tokenizer(small_vocabulary({{"a", " "}, {" ", "b"}}));
    EXPECT_EQ(t->encode("a b"), (Ids{'a', 257}));
    EXPECT_EQ(t->encode("a 1b"), (Ids{'a', ' ', '1', 'b'}));
}

TEST(BytePair, AWordThatIsATokenNeedNotMerge) {
    Vocabulary v = small_vocabulary({{"a", "b"}});
    add_token(v, "abc");
    EXPECT_EQ(make_tokenizer(v)->encode("abc"), (Ids{256, 'c'}));
    v.ignore_merges = true;
    EXPECT_EQ(make_tokenizer(v)->encode("abc"), (Ids{257}));
}

TEST(BytePair, WhatMergesIntoNoTokenIsSpelled) {
    Vocabulary v = small_vocabulary({{"a", "b"}, {"ab", "c"}});
    v.tokens[257] = "other";
    EXPECT_EQ(make_tokenizer(v)->encode("abc"), (Ids{'a', 'b', 'c'}));
    v.tokens['b'] = "another";
    EXPECT_EQ(make_tokenizer(v)->encode("abc"), (Ids{'a', 'c'}));  // nothing stands for b
}

TEST(BytePair, SpecialTokensMaySwallowTheSpaceBesideThem) {
    Vocabulary v = small_vocabulary({});
    add_token(v, "<|end|>", TokenType::control);
    EXPECT_EQ(make_tokenizer(v)->encode("a <|end|>\n b"), (Ids{'a', ' ', 256, '\n', ' ', 'b'}));
    v.strip_right = {256};
    EXPECT_EQ(make_tokenizer(v)->encode("a <|end|>\n b"), (Ids{'a', ' ', 256, 'b'}));
    v.strip_left = {256};
    EXPECT_EQ(make_tokenizer(v)->encode("a <|end|>\n b"), (Ids{'a', 256, 'b'}));
    EXPECT_EQ(make_tokenizer(v)->encode("a <|end|>", {.parse_special = false}).size(), 9u);
}

TEST(BytePair, NormalFormCAndAPrefixOnlyWhenAsked) {
    Vocabulary v = small_vocabulary({});
    const std::string decomposed = "a\u0308", composed = "ä";
    EXPECT_EQ(make_tokenizer(v)->decode(make_tokenizer(v)->encode(decomposed)), decomposed);
    v.nfc = true;
    EXPECT_EQ(make_tokenizer(v)->decode(make_tokenizer(v)->encode(decomposed)), composed);
    EXPECT_EQ(make_tokenizer(v)->decode(make_tokenizer(v)->encode(decomposed + "\xFF")), decomposed + "\xFF");
    v.add_space_prefix = true;
    EXPECT_EQ(make_tokenizer(v)->encode("a"), (Ids{' ', 'a'}));
    EXPECT_EQ(make_tokenizer(v)->encode(" a"), (Ids{' ', 'a'}));
}

TEST(BytePair, RefusesWhatItCannotDo) {
    const auto message = [](const Vocabulary& v) {
        try {
            make_tokenizer(v);
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("no error");
    };
    Vocabulary v = small_vocabulary({{"a", "b"}});
    v.pre = "whatever";
    EXPECT_TRUE(message(v).starts_with("pre-tokenizer \"whatever\" is not supported; supported: llama-bpe, "))
        << message(v);
    EXPECT_NE(message(v).find("deepseek-v3"), std::string::npos);
    v.pre = "gpt-2";
    v.merges[0] = "ab";
    EXPECT_EQ(message(v), "tokenizer: merge 0 is \"ab\", expected two tokens with a space between");
    v.merges.clear();
    v.splits = {"(a"};
    EXPECT_TRUE(message(v).starts_with("tokenizer: pre-tokenizer pattern \"(a\": ")) << message(v);
}

}  // namespace
}  // namespace gremium
