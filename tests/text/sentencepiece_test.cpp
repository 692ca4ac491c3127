// SentencePiece BPE against its definition, written the slow way: the best pair of the whole text merges,
// again and again.
#include "text/sentencepiece.h"

#include <gtest/gtest.h>

#include <sentencepiece_processor.h>
#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/random.h"
#include "tests/text/small_vocabulary.h"

namespace gremium {
namespace {

using test::add;
using test::byte_id;
using test::small_vocabulary;

std::vector<int32_t> merge_slowly(const Vocabulary& v, const std::string& text) {
    std::map<std::string, int32_t> ids;
    for (int32_t id = 0; id < v.size(); ++id) {
        if (v.types[id] == TokenType::normal || v.types[id] == TokenType::unused) ids[v.tokens[id]] = id;
    }
    std::vector<std::string> symbols;
    for (size_t i = 0; i < text.size();) {
        const int lead = static_cast<unsigned char>(text[i]) >> 4;
        const size_t size = lead == 15 ? 4 : lead == 14 ? 3 : lead >= 12 ? 2 : 1;
        symbols.push_back(text[i] == ' ' ? "▁" : text.substr(i, size));
        i += size;
    }
    while (true) {
        size_t best = 0;
        for (size_t i = 1; i < symbols.size(); ++i) {
            const auto pair = ids.find(symbols[i - 1] + symbols[i]);
            if (pair == ids.end()) continue;
            if (best == 0 || v.scores[pair->second] > v.scores[ids.at(symbols[best - 1] + symbols[best])]) best = i;
        }
        if (best == 0) break;
        symbols[best - 1] += symbols[best];
        symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best));
    }
    std::vector<int32_t> result;
    for (const std::string& symbol : symbols) {
        if (const auto it = ids.find(symbol); it != ids.end()) {
            result.push_back(it->second);
        } else {
            for (char byte : symbol) result.push_back(byte_id(static_cast<unsigned char>(byte)));
        }
    }
    return result;
}

TEST(SentencePiece, EqualsTheDefinitionOnRandomVocabulariesAndTexts) {
    const std::vector<std::string> alphabet = {"a", "b", "c", "▁", "▁", "\n", "ä", "€", "🦙", "\t"};
    const std::vector<std::string> letters = {"a", "b",       "c", " ",    " ",    "\n",   "ä",
                                              "€", "🦙",    "x", "\xFF", "\xE2", "\x80", std::string(1, '\0'),
                                              "▁", "\xF0\x9F"};
    for (uint64_t seed = 0; seed < 60; ++seed) {
        Random random(seed);
        std::vector<std::string> tokens;
        for (int i = 0; i < 60; ++i) {
            std::string token;
            for (uint64_t n = 1 + random.below(1 + i / 12); n > 0; --n)
                token += alphabet[random.below(alphabet.size())];
            tokens.push_back(token);
        }
        Vocabulary v = small_vocabulary(tokens);
        v.add_bos = v.add_space_prefix = false;
        for (int32_t id = 259; id < v.size(); ++id) {
            v.scores[id] = static_cast<float>(random.below(20));  // many ties
            if (random.below(10) == 0) v.types[id] = TokenType::unused;
        }
        const auto tokenizer = make_tokenizer(v);
        for (int i = 0; i < 20; ++i) {
            std::string text;
            for (uint64_t n = random.below(80); n > 0; --n) text += letters[random.below(letters.size())];
            ASSERT_EQ(tokenizer->encode(text), merge_slowly(v, text)) << "seed " << seed << ": " << text;
        }
    }
}

TEST(SentencePiece, ByteTokensSpellWhatHasNoToken) {
    const auto tokenizer = make_tokenizer(small_vocabulary({"▁h", "▁", "h", "i"}));
    EXPECT_EQ(tokenizer->encode("hi"), (std::vector<int32_t>{1, 259, 262}));
    EXPECT_EQ(tokenizer->encode("é"), (std::vector<int32_t>{1, 260, byte_id(0xC3), byte_id(0xA9)}));
    EXPECT_EQ(tokenizer->encode(""), (std::vector<int32_t>{1}));
}

TEST(SentencePiece, WithoutByteTokensTheUnknownTokenStandsIn) {
    Vocabulary v;
    add(v, "<unk>", 0, TokenType::unknown);
    add(v, "a", 0, TokenType::normal);
    EXPECT_EQ(make_tokenizer(v)->encode("ab"), (std::vector<int32_t>{1, 0}));
    v.types[0] = TokenType::control;
    EXPECT_THROW(make_tokenizer(v), Error);
}

// Gemma: all bytes but that of the tab, which is a token like any other.
TEST(SentencePiece, AByteWithoutATokenIsTheTokenOfThatCharacter) {
    Vocabulary v = small_vocabulary({"\t", "a", "\t\t"});
    v.add_bos = v.add_space_prefix = false;
    const int32_t tab = 259, a = 260, two_tabs = 261;
    v.types[byte_id('\t')] = TokenType::control;
    v.tokens[byte_id('\t')] = "<extra>";
    EXPECT_EQ(make_tokenizer(v)->encode("a\t"), (std::vector<int32_t>{a, tab}));
    EXPECT_EQ(make_tokenizer(v)->encode("\t\ta\t\t\t"), (std::vector<int32_t>{two_tabs, a, two_tabs, tab}));
    EXPECT_EQ(make_tokenizer(v)->encode("b\t"), (std::vector<int32_t>{byte_id('b'), tab}));
    // Where the tab stands among bytes that are no character, too.
    EXPECT_EQ(make_tokenizer(v)->encode("\xE2\t"), (std::vector<int32_t>{byte_id(0xE2), tab}));
    v.types[tab] = TokenType::user_defined;
    EXPECT_EQ(make_tokenizer(v)->encode("a\t"), (std::vector<int32_t>{a, tab}));
}

TEST(SentencePiece, AByteWithoutAnyTokenIsUnknown) {
    Vocabulary v = small_vocabulary({"a"});
    v.add_bos = v.add_space_prefix = false;
    v.types[byte_id('\t')] = TokenType::control;
    v.tokens[byte_id('\t')] = "<extra>";
    const auto tokenizer = make_tokenizer(v);
    EXPECT_EQ(tokenizer->encode("a\ta"), (std::vector<int32_t>{259, 0, 259}));
    EXPECT_EQ(tokenizer->encode("\t\tb"), (std::vector<int32_t>{0, 0, byte_id('b')}));
    v.types[0] = TokenType::control;
    v.unk = -1;
    EXPECT_THROW(make_tokenizer(v), Error);
}

TEST(SentencePiece, NeighbouringUnknownCharactersAreOneToken) {
    Vocabulary v;
    add(v, "<unk>", 0, TokenType::unknown);
    add(v, "a", 0, TokenType::normal);
    EXPECT_EQ(make_tokenizer(v)->encode("abcaé€"), (std::vector<int32_t>{1, 0, 1, 0}));
}

// Words of more symbols than the way for short ones takes, and more letters than fit into one word.
TEST(SentencePiece, LongWordsFollowTheDefinition) {
    Random random(3);
    Vocabulary v = small_vocabulary({"a", "b", "ab", "ba", "aab", "abba", "aaaa", "bbb", "abab"});
    v.add_bos = v.add_space_prefix = false;
    for (int32_t id = 259; id < v.size(); ++id) v.scores[id] = static_cast<float>(random.below(4));
    const auto tokenizer = make_tokenizer(v);
    for (size_t size = 28; size < 120; ++size) {
        std::string text;
        while (text.size() < size) text += random.below(2) ? 'a' : 'b';
        ASSERT_EQ(tokenizer->encode(text), merge_slowly(v, text)) << text;
    }
}

TEST(SentencePiece, ToleratesWhatRealFilesHold) {
    Vocabulary v = small_vocabulary({"a", "b", "ab", "ab", "", "<0x41>",
                                     "\xFF"
                                     "261"});
    add(v, "<unk>", 0, TokenType::unknown);  // twice
    add(v, "", 0, TokenType::control);
    v.add_space_prefix = v.add_bos = false;
    EXPECT_EQ(make_tokenizer(v)->encode("ab"), (std::vector<int32_t>{262}));  // the last of equal tokens
    v.unk = -1;
    v.types[0] = TokenType::normal;
    EXPECT_EQ(make_tokenizer(v)->encode("ab"), (std::vector<int32_t>{262}));  // no unknown token is needed
}

TEST(SentencePiece, RefusesWhatItCannotDo) {
    Vocabulary v = small_vocabulary({"a"});
    v.types[259] = TokenType::byte;
    EXPECT_THROW(make_tokenizer(v), Error);
}

TEST(SentencePieceModel, WrittenAndReadIsTheSame) {
    Vocabulary v = small_vocabulary({"▁the", "ü", "\t\t", "\n"});
    v.scores[260] = -1.5f;
    v.types[261] = TokenType::unused;
    add(v, "<pad>", 0, TokenType::control);
    v.pad = 263;
    EXPECT_EQ(read_sentencepiece_model(write_sentencepiece_model(v), "test"), v);
    v.add_space_prefix = false;
    EXPECT_EQ(read_sentencepiece_model(write_sentencepiece_model(v), "test"), v);
}

TEST(SentencePieceModel, IsWhatLibsentencepieceReads) {
    Vocabulary v = small_vocabulary({"▁a", "b", "▁", "a"});
    sentencepiece::SentencePieceProcessor processor;
    ASSERT_TRUE(processor.LoadFromSerializedProto(write_sentencepiece_model(v)).ok());
    EXPECT_EQ(processor.GetPieceSize(), v.size());
    EXPECT_EQ(processor.bos_id(), 1);
    EXPECT_EQ(processor.eos_id(), 2);
    EXPECT_EQ(processor.unk_id(), 0);
    EXPECT_EQ(processor.pad_id(), -1);
    std::vector<int> ids;
    ASSERT_TRUE(processor.Encode("ab a", &ids).ok());
    EXPECT_EQ(ids, (std::vector<int>{259, 260, 259}));
}

TEST(SentencePieceModel, TruncatedAtAnyByteIsAnErrorOrAShorterModel) {
    const std::string model = write_sentencepiece_model(small_vocabulary({"▁a", "b"}));
    for (size_t size = 0; size < model.size(); ++size) {
        try {
            read_sentencepiece_model(std::string_view(model).substr(0, size), "cut.model");
        } catch (const Error& error) {
            ASSERT_TRUE(std::string(error.what()).starts_with("cut.model: ")) << error.what();
        }
    }
    EXPECT_THROW(read_sentencepiece_model("", "empty"), Error);
    EXPECT_THROW(read_sentencepiece_model(std::string_view(model).substr(0, model.size() - 1), "cut"), Error);
}

TEST(SentencePieceModel, DamagedBytesAreAnErrorOrAWorkingVocabulary) {
    const std::string model = write_sentencepiece_model(small_vocabulary({"▁a", "b", "ab"}));
    Random random(7);
    for (int i = 0; i < 3000; ++i) {
        std::string damaged = model;
        for (uint64_t n = 1 + random.below(4); n > 0; --n) {
            // Half of the damage goes to the specs and the last pieces.
            const size_t at = random.below(2) ? random.below(model.size()) : model.size() - 1 - random.below(120);
            damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.below(8)));
        }
        try {
            const auto tokenizer = make_tokenizer(read_sentencepiece_model(damaged, "damaged"));
            tokenizer->decode(tokenizer->encode("ab \xFF a\n"));
        } catch (const Error&) {
        }
    }
}

TEST(SentencePieceModel, NamesWhatIsNotSupported) {
    // model_type (field 3 of trainer_spec) = 3, word
    const std::string model = write_sentencepiece_model(small_vocabulary({"a"}));
    const std::string word = model + std::string("\x12\x02\x18\x03", 4);
    try {
        read_sentencepiece_model(word, "t5/tokenizer.model");
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(),
                     "t5/tokenizer.model: SentencePiece model type 3 is not supported; supported: 1 (unigram), "
                     "2 (BPE)");
    }
}

}  // namespace
}  // namespace gremium
