// The unigram tokenizer and SentencePiece's normalisation, against libsentencepiece on vocabularies that it
// learned.
#include "text/unigram.h"

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/random.h"
#include "tests/text/small_vocabulary.h"
#include "text/charsmap.h"
#include "text/sentencepiece.h"

namespace gremium {
namespace {

using test::add;
using Ids = std::vector<int32_t>;

const std::vector<std::string> words = {
    "one",          "two", "three", "fourth", "fifty", "Six", "seven8", "caf\u00E9", "\uFF34\uFF45\uFF53\uFF54",
    "\u4F60\u597D", "o",   "on",    "ones"};

std::string random_text(Random& random, const std::vector<std::string>& parts) {
    std::string text;
    for (uint64_t n = random.below(30); n > 0; --n) text += parts[random.below(parts.size())];
    return text;
}

// Lines of random words.
class Sentences final : public sentencepiece::SentenceIterator {
  public:
    Sentences() {
        Random random(1);
        for (int i = 0; i < 300; ++i) {
            std::string line;
            for (int n = 0; n < 8; ++n) line += words[random.below(words.size())] + " ";
            lines_.push_back(line);
        }
    }
    bool done() const override { return at_ == lines_.size(); }
    void Next() override { ++at_; }
    const std::string& value() const override { return lines_[at_]; }
    sentencepiece::util::Status status() const override { return {}; }

  private:
    std::vector<std::string> lines_;
    size_t at_ = 0;
};

std::string train(const std::string& kind) {
    Sentences sentences;
    std::string model;
    const auto status = sentencepiece::SentencePieceTrainer::Train(
        "--model_type=" + kind + " --vocab_size=60 --hard_vocab_limit=false --minloglevel=3", &sentences, &model);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return model;
}

class Trained : public testing::TestWithParam<const char*> {};

TEST_P(Trained, IdsEqualLibsentencepieces) {
    const std::string model = train(GetParam());
    sentencepiece::SentencePieceProcessor processor;
    ASSERT_TRUE(processor.LoadFromSerializedProto(model).ok());
    Vocabulary v = read_sentencepiece_model(model, "trained");
    EXPECT_FALSE(v.charsmap.empty());
    EXPECT_TRUE(v.remove_extra_whitespaces);
    EXPECT_EQ(v.model, std::string(GetParam()) == "bpe" ? "llama" : "t5");
    const auto tokenizer = make_tokenizer(v);

    std::vector<std::string> parts = words;
    for (const char* part :
         {" ", " ", "  ", "\t", "\n", "\u3000", "\uFF34", "\u2460", "\uFB01", "e\u0301", "\uAC00", "Zz", "\u200B"}) {
        parts.push_back(part);
    }
    Random random(2);
    for (int i = 0; i < 400; ++i) {
        const std::string text = random_text(random, parts);
        Ids expected;
        ASSERT_TRUE(processor.Encode(text, &expected).ok());
        Ids ours = tokenizer->encode(text, {.add_bos_eos = false});
        for (Ids* ids : {&ours, &expected}) {  // BPE: whether neighbouring unknown characters are one is open
            const auto both_unknown = [&](int32_t a, int32_t b) { return a == v.unk && b == v.unk; };
            ids->erase(std::unique(ids->begin(), ids->end(), both_unknown), ids->end());
        }
        EXPECT_EQ(ours, expected) << text;
    }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Trained, testing::Values("unigram", "bpe"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST(Unigram, WrittenAndReadIsTheSame) {
    const Vocabulary v = read_sentencepiece_model(train("unigram"), "trained");
    EXPECT_EQ(read_sentencepiece_model(write_sentencepiece_model(v), "written"), v);
    EXPECT_TRUE(v.add_eos);
    EXPECT_FALSE(v.add_bos);
}

Vocabulary tiny() {
    Vocabulary v;
    v.model = "t5";
    add(v, "<pad>", 0, TokenType::control);
    add(v, "</s>", 0, TokenType::control);
    add(v, "<unk>", 0, TokenType::unknown);
    add(v, "\u2581", -3, TokenType::normal);
    add(v, "a", -2, TokenType::normal);
    add(v, "aa", -4, TokenType::normal);
    add(v, "b", -5, TokenType::normal);
    add(v, "\u2581ab", -4, TokenType::normal);
    add(v, "<u>", -100, TokenType::user_defined);
    v.unk = 2, v.eos = 1;
    v.add_eos = v.add_space_prefix = v.remove_extra_whitespaces = true;
    return v;
}

TEST(Unigram, TheBestWayThrough) {
    const auto t = make_tokenizer(tiny());
    EXPECT_EQ(t->encode("ab"), (Ids{7, 1}));
    EXPECT_EQ(t->encode("  ab   ab "), (Ids{7, 7, 1}));
    EXPECT_EQ(t->encode("aaa"), (Ids{3, 4, 5, 1}));  // equal scores: the longest token comes last
    EXPECT_EQ(t->encode("xya"), (Ids{3, 2, 4, 1}));  // one unknown token for both
    EXPECT_EQ(t->encode("a<u>a"), (Ids{3, 4, 8, 3, 4, 1}));
    EXPECT_EQ(t->encode(" "), (Ids{1}));
    EXPECT_EQ(t->encode("\xFF"), (Ids{3, 2, 1}));
    EXPECT_EQ(t->decode(Ids{7, 3, 4, 1}), "ab a");
}

TEST(Unigram, SpacesStayWhenTheyShould) {
    Vocabulary v = tiny();
    v.remove_extra_whitespaces = false;
    EXPECT_EQ(make_tokenizer(v)->encode(" a  b"), (Ids{3, 3, 4, 3, 3, 6, 1}));
    v.add_space_prefix = false;
    EXPECT_EQ(make_tokenizer(v)->encode(" a"), (Ids{3, 4, 1}));
}

TEST(Unigram, DamagedCharsmapsAreErrorsOrHarmless) {
    Vocabulary v = tiny();
    for (const std::string& bytes :
         {std::string("\x01"), std::string("\xFF\xFF\xFF\xFF"), std::string("\x03\0\0\0abc", 7)}) {
        v.charsmap = bytes;
        EXPECT_THROW(make_tokenizer(v), Error);
    }
    const std::string good = read_sentencepiece_model(train("unigram"), "trained").charsmap;
    Random random(3);
    for (int i = 0; i < 50; ++i) {
        v.charsmap = good;
        for (int n = 0; n < 200; ++n) {
            v.charsmap[4 + random.below(good.size() - 4)] = static_cast<char>(random.below(256));
        }
        make_tokenizer(v)->encode("a\uFF34\u2460\uFB01 e\u0301\uAC00\n");
    }
    v.charsmap.clear();
    v.unk = -1;
    EXPECT_THROW(make_tokenizer(v), Error);
}

// Among ways that all have no probability there is no best one.
TEST(Unigram, ScoresWithoutEndAreRefused) {
    Vocabulary v;
    v.model = "t5";
    v.tokens = {"<unk>", "a"};
    v.types = {TokenType::unknown, TokenType::normal};
    v.scores = {0, -std::numeric_limits<float>::infinity()};
    v.unk = 0;
    EXPECT_THROW(make_tokenizer(v), Error);
    v.scores[1] = -1;
    EXPECT_EQ(make_tokenizer(v)->encode("ab"), (Ids{1, 0}));
}

}  // namespace
}  // namespace gremium
