#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/parallel.h"
#include "data/documents.h"
#include "data/files.h"
#include "data/permutation.h"
#include "data/token_file.h"
#include "tests/train/scratch.h"
#include "train/heldout.h"
#include "train/sampler.h"

namespace gremium::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::string_view_literals;

TEST(Permutation, VisitsEverythingOnceAndDependsOnTheKey) {
    for (const uint64_t n : {1u, 2u, 3u, 5u, 16u, 17u, 1000u, 4097u}) {
        std::set<uint64_t> seen;
        const data::Permutation order(n, 42);
        for (uint64_t i = 0; i < n; ++i) seen.insert(order(i));
        EXPECT_EQ(seen.size(), n);
        EXPECT_EQ(*seen.rbegin(), n - 1);
    }
    const data::Permutation one(1000, 1), two(1000, 2);
    int same = 0, fixed = 0;
    for (uint64_t i = 0; i < 1000; ++i) {
        same += one(i) == two(i);
        fixed += one(i) == i;
    }
    EXPECT_LT(same, 20);
    EXPECT_LT(fixed, 20);
}

TEST(Documents, SplitsAtNulAndFilesAndLeavesOutEmptyOnes) {
    const ScratchDirectory dir;
    write_text(dir / "a.txt", "one\0\0two"sv);
    write_text(dir / "b.txt", "three\0"sv);
    const data::Documents documents(std::vector<std::string>{(dir / "*.txt").string()});
    EXPECT_THAT(documents.all(), ElementsAre("one", "two", "three"));
    EXPECT_THROW(data::Documents(std::vector<std::string>{(dir / "*.none").string()}), Error);
}

TEST(Patterns, ANameThatExistsIsThatFileAndOthersArePatterns) {
    const ScratchDirectory dir;
    std::filesystem::create_directories(dir / "deep/a/b");
    std::filesystem::create_directories(dir / "deep/.hidden");
    for (const char* name :
         {"data[1].txt", "data1.txt", "what?.txt", "whatx.txt", "st*r.txt", "star.txt", "deep/top.txt",
          "deep/a/one.txt", "deep/a/b/two.txt", "deep/.hidden/no.txt", "deep/a/other.md"})
        write_text(dir / name, name);
    std::filesystem::create_directory_symlink(dir / "deep", dir / "deep/a/around");
    std::filesystem::create_symlink(dir / "data1.txt", dir / "again.txt");
    const auto files = [&](const std::vector<std::string>& patterns) {
        std::vector<std::string> below, named;
        for (const std::string& pattern : patterns) below.push_back((dir / pattern).string());
        for (const auto& file : data::files_of(below)) named.push_back(file.lexically_relative(dir.path()).string());
        return named;
    };
    EXPECT_THAT(files({"data[1].txt"}), ElementsAre("data[1].txt"));
    EXPECT_THAT(files({"what?.txt"}), ElementsAre("what?.txt"));
    EXPECT_THAT(files({"st*r.txt"}), ElementsAre("st*r.txt"));
    EXPECT_THAT(files({"s*r.txt"}), ElementsAre("st*r.txt", "star.txt"));
    EXPECT_THAT(files({"deep/*"}), ElementsAre("deep/top.txt"));
    EXPECT_THAT(files({"deep/**/*.txt"}),
                testing::UnorderedElementsAre("deep/top.txt", "deep/a/one.txt", "deep/a/b/two.txt"));
    EXPECT_THAT(files({"**/b/*.txt"}), ElementsAre("deep/a/b/two.txt"));
    EXPECT_THAT(files({"deep/a/**"}),
                testing::UnorderedElementsAre("deep/a/one.txt", "deep/a/other.md", "deep/a/b/two.txt"));
    EXPECT_THAT(files({"deep/**/a/**/*.md"}), ElementsAre("deep/a/other.md"));
    // Once each, in the order in which they were named.
    EXPECT_THAT(files({"star.txt", "s*.txt", "./star.txt", "deep/../star.txt"}), ElementsAre("star.txt", "st*r.txt"));
    EXPECT_THAT(files({"data1.txt", "again.txt"}), ElementsAre("data1.txt"));
    for (const char* missing : {"none.txt", "*.none", "deep", "**/none", "deep/none/**"})
        EXPECT_THROW(files({missing}), Error) << missing;
}

TEST(Documents, CutsLongOnesAtALineEnd) {
    const ScratchDirectory dir;
    std::string text((size_t{1} << 20) - 10, 'x');
    text += "\n";
    text += std::string(100, 'y');
    write_text(dir / "long.txt", text);
    const data::Documents documents(std::vector<std::string>{(dir / "long.txt").string()});
    ASSERT_EQ(documents.all().size(), 2u);
    EXPECT_EQ(documents.all()[0].back(), '\n');
    EXPECT_EQ(documents.all()[1], std::string(100, 'y'));
}

TEST(Documents, SplitGoesByContent) {
    std::vector<std::string> text;
    for (int i = 0; i < 2000; ++i) text.push_back("document " + std::to_string(i));
    std::vector<std::string_view> documents(text.begin(), text.end());
    const data::Split split = data::split_documents(documents, 0.1);
    EXPECT_NEAR(static_cast<double>(split.heldout.size()), 200, 50);
    EXPECT_EQ(split.heldout.size() + split.train.size(), 2000u);
    std::reverse(documents.begin(), documents.end());
    data::Split reversed = data::split_documents(documents, 0.1);
    std::reverse(reversed.heldout.begin(), reversed.heldout.end());
    EXPECT_EQ(reversed.heldout, split.heldout);
}

// Whatever the text and the share: nothing is lost, both sides have something, and lines stay whole where there are
// some.
TEST(Documents, OfFewTheEndIsHeldOut) {
    std::string lines, words;
    for (int i = 0; i < 200; ++i) lines += "line " + std::to_string(i) + "\n";
    for (int i = 0; i < 200; ++i) words += "w\u00f6rter ";
    const std::vector<std::string_view> one = {lines}, line = {words}, three = {lines, words, lines};
    for (const auto& documents : {one, line, three}) {
        std::string all;
        for (const std::string_view document : documents) all += document;
        for (const double share : {0.001, 0.02, 0.1, 0.5, 0.9, 0.999}) {
            const data::Split split = data::split_end(documents, share);
            std::string train, heldout;
            for (const std::string_view part : split.train) train += part;
            for (const std::string_view part : split.heldout) heldout += part;
            EXPECT_EQ(train + heldout, all);
            EXPECT_NEAR(static_cast<double>(heldout.size()), share * static_cast<double>(all.size()), 16);
            ASSERT_FALSE(train.empty() || heldout.empty()) << share;
            EXPECT_NE(static_cast<unsigned char>(heldout[0]) & 0xC0, 0x80);
            if (documents == one) {
                EXPECT_EQ(train.back(), '\n');
            }
        }
    }
    const std::vector<std::string_view> letter = {"x"};
    EXPECT_EQ(data::split_end(letter, 0.5).train, letter);
    EXPECT_TRUE(data::split_end(letter, 0.5).heldout.empty());
}

TEST(TokenFile, KnowsItsVocabulary) {
    const ScratchDirectory dir;
    const auto tokenizer = make_tokenizer(byte_vocabulary());
    Vocabulary other = byte_vocabulary();
    std::swap(other.tokens[260], other.tokens[261]);
    const std::vector<std::string_view> documents = {"the bat"};
    data::write_token_file(dir / "t", *tokenizer, documents);
    const int size = other.size();
    EXPECT_TRUE(data::TokenFile(dir / "t", size, data::hash_of_tokens(tokenizer->vocabulary())).names_vocabulary());
    EXPECT_THROW(data::TokenFile(dir / "t", size, data::hash_of_tokens(other)), Error);

    // As earlier versions wrote it: no hash.
    std::ifstream in(dir / "t", std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), {}};
    bytes.erase(bytes.size() - 40, 32);
    bytes.back() = '1';
    write_text(dir / "old", bytes);
    const data::TokenFile old(dir / "old", size, data::hash_of_tokens(other));
    EXPECT_FALSE(old.names_vocabulary());
    EXPECT_EQ(old.tokens(), data::TokenFile(dir / "t", size).tokens());
}

TEST(TokenFile, HoldsWhatTheTokenizerSaysWithOneEndADocument) {
    const ScratchDirectory dir;
    const auto tokenizer = make_tokenizer(byte_vocabulary());
    const std::vector<std::string_view> documents = {"the bat", " a", "\xff\x01 the the"};
    data::write_token_file(dir / "t", *tokenizer, documents);
    const data::TokenFile file(dir / "t", tokenizer->vocabulary().size());
    std::vector<int32_t> expected;
    int64_t bytes = 0;
    for (const auto document : documents) {
        const auto ids = tokenizer->encode(document);
        EXPECT_EQ(ids.front(), 1);
        expected.insert(expected.end(), ids.begin(), ids.end());
        expected.push_back(2);
        bytes += static_cast<int64_t>(document.size()) + 1;
    }
    std::vector<int32_t> ids(static_cast<size_t>(file.tokens()));
    file.read(0, ids);
    EXPECT_EQ(ids, expected);
    EXPECT_EQ(file.text_bytes(), bytes);
    EXPECT_EQ(file.documents(), 3);
    EXPECT_EQ(data::predicted_bytes(*tokenizer, ids), bytes);  // the first token is bos: no byte is left out
    EXPECT_THROW(file.read(1, ids), Error);
}

TEST(TokenFile, TheNumberOfThreadsChangesNothing) {
    const ScratchDirectory dir;
    const auto tokenizer = make_tokenizer(byte_vocabulary());
    const std::string text = toy_text(300, 1);
    write_text(dir / "text", text);
    const data::Documents documents(std::vector<std::string>{(dir / "text").string()});
    std::string files[2];
    for (int t = 0; t < 2; ++t) {
        set_threads(1 + t);
        data::write_token_file(dir / "t", *tokenizer, documents.all());
        std::ifstream in(dir / "t", std::ios::binary);
        files[t].assign(std::istreambuf_iterator<char>(in), {});
    }
    set_threads(0);
    EXPECT_EQ(files[0], files[1]);
}

TEST(TokenFile, DamageIsAnError) {
    const ScratchDirectory dir;
    const auto tokenizer = make_tokenizer(byte_vocabulary());
    const int vocab = tokenizer->vocabulary().size();
    data::write_token_file(dir / "t", *tokenizer, std::vector<std::string_view>{"the bat"});
    EXPECT_THROW(data::TokenFile(dir / "t", vocab + 1), Error);
    std::filesystem::copy_file(dir / "t", dir / "cut");
    std::filesystem::resize_file(dir / "cut", std::filesystem::file_size(dir / "t") - 3);
    EXPECT_THROW(data::TokenFile(dir / "cut", vocab), Error);
    write_text(dir / "empty", "");
    EXPECT_THROW(data::TokenFile(dir / "empty", vocab), Error);
    std::fstream(dir / "t", std::ios::in | std::ios::out | std::ios::binary).write("\xff\xff", 2);
    std::vector<int32_t> ids(2);
    EXPECT_THROW(data::TokenFile(dir / "t", vocab).read(0, ids), Error);  // an id outside the vocabulary
}

class Sampling : public testing::Test {
  protected:
    // Files of ascending ids 3, 4, …: a window tells where it was cut.
    data::TokenFile counting(const std::string& name, int bytes) {
        Vocabulary v = byte_vocabulary();
        v.add_bos = v.add_space_prefix = false;
        const auto tokenizer = make_tokenizer(v);
        std::string text;
        for (int i = 0; i < bytes; ++i) text += static_cast<char>(128 + i % 60);  // bytes that are no letters
        data::write_token_file(dir_ / name, *tokenizer, std::vector<std::string_view>{text});
        return data::TokenFile(dir_ / name, v.size());
    }
    ScratchDirectory dir_;
};

TEST_F(Sampling, EveryWindowOnceAnEpochInAnotherOrder) {
    const data::TokenFile file = counting("t", 59);  // 60 tokens with the end
    SequenceSampler sampler({{&file, 1.0}}, 6, 7);
    std::vector<int32_t> inputs(6), targets(6);
    std::vector<std::vector<int32_t>> epochs;
    for (int64_t epoch = 0; epoch < 3; ++epoch) {
        std::vector<int32_t> starts;
        for (int64_t i = 0; i < 9; ++i) {  // (60 − 1) / 6 windows
            sampler.sequence(epoch * 9 + i, inputs, targets);
            starts.push_back(inputs[0]);
            EXPECT_TRUE(std::equal(inputs.begin() + 1, inputs.end(), targets.begin()));
        }
        epochs.push_back(starts);
        std::sort(starts.begin(), starts.end());
        for (size_t i = 1; i < starts.size(); ++i) EXPECT_EQ(starts[i] - starts[i - 1], 6);
    }
    EXPECT_NE(epochs[0], epochs[1]);
    EXPECT_NE(epochs[1], epochs[2]);
    EXPECT_DOUBLE_EQ(sampler.epochs(0), 3);
}

TEST_F(Sampling, WeightsAreKeptCloselyAndAnySequenceCanBeFoundAgain) {
    const data::TokenFile one = counting("one", 500), two = counting("two", 700), three = counting("three", 300);
    const std::vector<Source> sources = {{&one, 3}, {&two, 1}, {&three, 0.5}};
    SequenceSampler sampler(sources, 10, 3), again(sources, 10, 3), other(sources, 10, 4);
    std::vector<int32_t> inputs(10), targets(10), seek(10), elsewhere(10);
    int differ = 0;
    for (int64_t n = 0; n < 450; ++n) {
        sampler.sequence(n, inputs, targets);
        other.sequence(n, elsewhere, targets);
        differ += inputs != elsewhere;
        if (n % 50 == 49) {
            again.sequence(n, seek, targets);
            EXPECT_EQ(inputs, seek) << n;
        }
    }
    EXPECT_GT(differ, 300);
    EXPECT_NEAR(static_cast<double>(sampler.drawn(0)), 300, 3);
    EXPECT_NEAR(static_cast<double>(sampler.drawn(1)), 100, 3);
    EXPECT_NEAR(static_cast<double>(sampler.drawn(2)), 50, 3);
}

// Two texts cut into windows, told apart by their first tokens: 0 … 4 and 100 … 102.
TEST(Windows, EachOnceUntilAllOfItsTextWereDrawnAndTextsByTheirWeights) {
    data::Windows text, replay;
    for (int32_t i = 0; i < 5; ++i) text.push_back({i, 7, 8, 9});
    for (int32_t i = 0; i < 3; ++i) replay.push_back({100 + i, 7, 8, 9});
    SequenceSampler sampler({{&text, 0.75}, {&replay, 0.25}}, 3, 1);
    std::vector<int32_t> inputs(3), targets(3), of_text, of_replay;
    for (int64_t n = 0; n < 80; ++n) {
        sampler.sequence(n, inputs, targets);
        EXPECT_EQ(targets, (std::vector<int32_t>{7, 8, 9}));
        (inputs[0] < 100 ? of_text : of_replay).push_back(inputs[0]);
    }
    EXPECT_NEAR(static_cast<double>(of_text.size()), 60, 2);
    std::set<std::vector<int32_t>> orders;
    for (size_t begin = 0; begin + 5 <= of_text.size(); begin += 5) {
        std::vector<int32_t> epoch(of_text.begin() + static_cast<long>(begin),
                                   of_text.begin() + static_cast<long>(begin) + 5);
        orders.insert(epoch);
        std::sort(epoch.begin(), epoch.end());
        EXPECT_EQ(epoch, (std::vector<int32_t>{0, 1, 2, 3, 4}));
    }
    EXPECT_GT(orders.size(), 6u);  // of 12 epochs: two of them may be alike by chance

    text.push_back({1, 2});
    EXPECT_THROW(SequenceSampler({{&text, 1.0}}, 3, 1), Error);
    text.clear();
    EXPECT_THROW(SequenceSampler({{&text, 1.0}}, 3, 1), Error);
}

TEST_F(Sampling, ATextShorterThanAWindowIsAnError) {
    const data::TokenFile file = counting("t", 5);
    EXPECT_THROW(SequenceSampler({{&file, 1.0}}, 64, 1), Error);
}

}  // namespace
}  // namespace gremium::train
