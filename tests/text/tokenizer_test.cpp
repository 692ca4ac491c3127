#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"
#include "tests/text/small_vocabulary.h"
#include "text/utf8.h"

namespace gremium {
namespace {

using test::add;
using test::small_vocabulary;
using Ids = std::vector<int32_t>;

// 259 ▁, 260 a, 261 ▁a, 262 <, 263 <|im_end|> (control), 264 <u> (user-defined), 265 <u>> (user-defined)
Vocabulary with_specials() {
    Vocabulary v = small_vocabulary({"▁", "a", "▁a", "<"});
    add(v, "<|im_end|>", 0, TokenType::control);
    add(v, "<u>", 0, TokenType::user_defined);
    add(v, "<u>>", 0, TokenType::user_defined);
    return v;
}

std::string message_of(const auto& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

TEST(Tokenizer, SpecialTokensAreCutOutAndTheTextAfterThemStartsAnew) {
    const auto t = make_tokenizer(with_specials());
    EXPECT_EQ(t->encode("a<|im_end|>a a"), (Ids{1, 261, 263, 261, 261}));
    EXPECT_EQ(t->encode("</s><s>"), (Ids{1, 2, 1}));
    EXPECT_EQ(t->encode("a<u>a"), (Ids{1, 261, 264, 261}));
    EXPECT_EQ(t->encode("<u>>"), (Ids{1, 265}));  // the longest
    EXPECT_EQ(t->encode(" a<|im_end|> a", {.add_bos_eos = false}), (Ids{259, 261, 263, 259, 261}));
}

TEST(Tokenizer, ControlTokensInUntrustedTextStayText) {
    const auto t = make_tokenizer(with_specials());
    for (int32_t id : t->encode("a</s><|im_end|><s>", {.add_bos_eos = false, .parse_special = false})) {
        EXPECT_NE(t->vocabulary().types[id], TokenType::control);
    }
    EXPECT_EQ(t->encode("<u>", {.parse_special = false}), (Ids{1, 264}));  // user-defined ones always count
    EXPECT_EQ(t->decode(t->encode("a</s>", {.parse_special = false})), "a</s>");
}

TEST(Tokenizer, BosAndEosOnceForTheWholeText) {
    Vocabulary v = with_specials();
    v.add_eos = true;
    const auto t = make_tokenizer(v);
    EXPECT_EQ(t->encode("a"), (Ids{1, 261, 2}));
    EXPECT_EQ(t->encode("a", {.add_bos_eos = false}), (Ids{261}));
}

TEST(Tokenizer, DecodeHidesControlTokensUnlessAsked) {
    const auto t = make_tokenizer(with_specials());
    EXPECT_EQ(t->decode(Ids{1, 261, 263, 261, 264}), "aa<u>");
    EXPECT_EQ(t->decode(Ids{1, 261, 263, 261}, {.specials = true}), "<s>a<|im_end|>a");
    EXPECT_EQ(t->decode(Ids{261, 261}, {.at_start = false}), " a a");
    EXPECT_EQ(t->piece(261), " a");
    EXPECT_EQ(t->piece(test::byte_id('\n')), "\n");
    EXPECT_EQ(message_of([&] { t->decode(Ids{266}); }), "token id 266 is not in the vocabulary of 266 tokens");
    EXPECT_THROW(t->piece(-1), Error);
}

TEST(Tokenizer, AnyBytesComeBackAsTheyWere) {
    for (bool prefix : {true, false}) {
        Vocabulary v = with_specials();
        v.add_space_prefix = prefix;
        const auto t = make_tokenizer(v);
        for (const char* text : {"", " ", "  ", "\n", "\t\ta", "   a  a ", "\r\n\r\n", " <u> <u>", "\xEF\xBB\xBF a",
                                 "é€🦙", "\xC3", "\xF0\x9F\xA6", "\xED\xA0\x80", "\xC0\x80", "\xFF\xFE"}) {
            EXPECT_EQ(t->decode(t->encode(text)), text);
        }
        Random random(3);
        for (int i = 0; i < 500; ++i) {
            std::string text;
            for (uint64_t n = random.below(60); n > 0; --n) {
                text += static_cast<char>(random.below(3) ? random.below(256) : " a<\n"[random.below(4)]);
            }
            ASSERT_EQ(t->decode(t->encode(text)), text);
        }
    }
}

TEST(Tokenizer, StreamingGivesWholeCharactersAndTheSameText) {
    const auto t = make_tokenizer(with_specials());
    Random random(5);
    const std::vector<std::string> characters = {"a", " ", "é", "€", "🦙", "\n", "<u>", "\U0010FFFF", "\uFFFD"};
    for (int i = 0; i < 200; ++i) {
        std::string text;
        for (uint64_t n = random.below(40); n > 0; --n) text += characters[random.below(characters.size())];
        StreamingDecoder decoder(*t);
        std::string streamed;
        for (int32_t id : t->encode(text)) {
            const std::string out = decoder.push(id);
            for (size_t at = 0; at < out.size();) {
                const utf8::Start start = utf8::start(std::string_view(out).substr(at));
                ASSERT_EQ(start.kind, utf8::Start::character);
                at += start.size;
            }
            streamed += out;
        }
        EXPECT_EQ(streamed + decoder.flush(), text);
    }
}

TEST(Tokenizer, StreamingReplacesOnlyWhatCannotBecomeACharacter) {
    const auto t = make_tokenizer(with_specials());
    const auto stream = [&](std::string_view bytes) {
        StreamingDecoder decoder(*t);
        std::string shown;
        for (char byte : bytes) shown += decoder.push(test::byte_id(static_cast<unsigned char>(byte))) + "|";
        return shown + decoder.flush();
    };
    EXPECT_EQ(stream("\xE2\x82\xAC"), "||€|");
    EXPECT_EQ(stream("\xE2\x82x"), "||\uFFFDx|");
    EXPECT_EQ(stream("\xFFx"), "\uFFFD|x|");
    EXPECT_EQ(stream("\xE2\x82"), "||\uFFFD");
    EXPECT_EQ(stream("\xE0\x80"), "|\uFFFD\uFFFD|");  // overlong: two ill-formed bytes
    EXPECT_EQ(stream("\xF0\x9F\xF0\x9F\xA6\x99"), "||\uFFFD|||🦙|");
    StreamingDecoder decoder(*t, {.at_start = false});
    EXPECT_EQ(decoder.push(261), " a");  // a continuation keeps its space
}

TEST(Tokenizer, EndOfGeneration) {
    Vocabulary v = with_specials();
    auto t = make_tokenizer(v);
    EXPECT_TRUE(t->is_end_of_generation(2));    // eos
    EXPECT_TRUE(t->is_end_of_generation(263));  // by its text
    EXPECT_FALSE(t->is_end_of_generation(1));
    EXPECT_FALSE(t->is_end_of_generation(260));
    v.ends = {260};
    EXPECT_TRUE(make_tokenizer(v)->is_end_of_generation(260));
    add(v, "<|end|>", 0, TokenType::control);
    EXPECT_TRUE(make_tokenizer(v)->is_end_of_generation(266));
    add(v, "<|return|>", 0, TokenType::control);
    add(v, "<|call|>", 0, TokenType::control);
    t = make_tokenizer(v);
    EXPECT_FALSE(t->is_end_of_generation(266));
    EXPECT_TRUE(t->is_end_of_generation(267));
}

TEST(Tokenizer, TheTemplatesEndOfATurnEndsGeneration) {
    Vocabulary v = with_specials();
    add(v, "<|bye|>", 0, TokenType::control);
    const int32_t bye = v.size() - 1;
    const auto ends = [&](const std::string& source) {
        v.chat_template = source;
        return make_tokenizer(v)->is_end_of_generation(bye);
    };
    EXPECT_TRUE(ends("{% for m in messages %}{{ m.role }}: {{ m.content }}\n<|bye|>\n{% endfor %}"));
    EXPECT_TRUE(ends("{% for m in messages %}<|bye|>{{ m.content }}{% endfor %}")) << "the next turn's beginning";
    EXPECT_FALSE(ends("{% for m in messages %}{{ m.role }}: {{ m.content }}.<|bye|>{% endfor %}"));
    EXPECT_FALSE(ends("{{ raise_exception('no') }}<|bye|>"));
    EXPECT_FALSE(ends("{{ no template"));
}

TEST(Tokenizer, NoControlTokenIsMadeOfUntrustedText) {
    const auto t = make_tokenizer(with_specials());
    const std::string text = "<s>the<s><s>";
    const auto count = [&](const std::vector<TextRange>& untrusted) {
        const auto ids = t->encode(text, {.add_bos_eos = false, .untrusted = untrusted});
        EXPECT_EQ(t->decode(ids, {.specials = true}), text);
        return std::ranges::count(ids, 1);
    };
    EXPECT_EQ(count({}), 3);
    for (size_t i = 0; i < text.size(); ++i) EXPECT_EQ(count({{i, i + 1}}), i >= 3 && i < 6 ? 3 : 2) << i;
    EXPECT_EQ(count({{0, 1}, {6, 7}, {9, 12}}), 0);
    EXPECT_EQ(count({{3, 12}}), 1);
}

TEST(Tokenizer, VocabulariesThatContradictThemselvesAreErrors) {
    const auto error_after = [](auto&& change) {
        Vocabulary v = with_specials();
        change(v);
        return message_of([&] { make_tokenizer(v); });
    };
    EXPECT_EQ(error_after([](Vocabulary& v) { v.bos = 266; }),
              "tokenizer: the BOS token's id is 266, but the vocabulary has 266 tokens");
    EXPECT_EQ(error_after([](Vocabulary& v) { v.scores.pop_back(); }), "tokenizer: 266 tokens, but 265 scores");
    EXPECT_EQ(error_after([](Vocabulary& v) { v.types.clear(); }), "tokenizer: 266 tokens, but 0 token types");
    EXPECT_EQ(error_after([](Vocabulary& v) { v.types[4] = TokenType{9}; }),
              "tokenizer: token 4 has type 9, expected 1 to 6");
    EXPECT_EQ(error_after([](Vocabulary& v) { v.scores[5] = std::numeric_limits<float>::quiet_NaN(); }),
              "tokenizer: token 5's score is not a number");
    EXPECT_EQ(error_after([](Vocabulary& v) { v.bos = -1; }),
              "tokenizer: a BOS token is to be added, but none is named");
    EXPECT_EQ(error_after([](Vocabulary& v) { v = {}; }), "tokenizer: the vocabulary has no tokens");
    EXPECT_EQ(error_after([](Vocabulary& v) { v.model = "bert"; }),
              "tokenizer model \"bert\" is not supported; supported: \"llama\" (SentencePiece BPE), \"gpt2\" "
              "(byte-level BPE), \"t5\" (SentencePiece unigram)");
}

}  // namespace
}  // namespace gremium
