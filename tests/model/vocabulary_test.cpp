// The tokenizer in GGUF metadata.
#include <gtest/gtest.h>

#include <unistd.h>

#include <sstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "model/files/gguf_vocabulary.h"
#include "model/files/load.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"
#include "text/hf_tokenizer.h"

namespace gremium::test {
namespace {

TEST(GgufVocabulary, RoundTrip) {
    Vocabulary v = tiny_vocabulary(300);
    v.pre = "default";
    v.pad = 0;
    v.ends = {270, 271, 299, 280};
    v.add_eos = true;
    v.chat_template = "{{ messages }}";
    Metadata metadata;
    write_gguf_vocabulary(v, 300, metadata);
    EXPECT_EQ(read_gguf_vocabulary(metadata), v);
}

TEST(GgufVocabulary, RoundTripOfTheOtherKinds) {
    Vocabulary bpe;
    bpe.model = "gpt2";
    bpe.pre = "llama-bpe";
    bpe.tokens = {"a", "b", "ab", "<s>"};
    bpe.types = {TokenType::normal, TokenType::normal, TokenType::normal, TokenType::control};
    bpe.merges = {"a b"};
    bpe.bos = 3, bpe.add_bos = bpe.ignore_merges = true;
    Vocabulary unigram = tiny_vocabulary(300);
    unigram.model = "t5";
    unigram.pre = "default";
    unigram.charsmap = std::string("\x00\x00\x00\x00\xFF", 5);
    unigram.pad = 0;
    unigram.add_space_prefix = unigram.remove_extra_whitespaces = true;
    for (const Vocabulary& v : {bpe, unigram}) {
        Metadata metadata;
        write_gguf_vocabulary(v, v.size(), metadata);
        EXPECT_EQ(read_gguf_vocabulary(metadata), v);
    }
    bpe.pre = "";
    bpe.splits = {"x+"};
    Metadata metadata;
    EXPECT_THROW(write_gguf_vocabulary(bpe, 4, metadata), Error);  // no GGUF name says this
}

TEST(GgufVocabulary, APreTokenizerDecidesDefaults) {
    Metadata metadata;
    metadata.set("tokenizer.ggml.model", std::string("gpt2"));
    metadata.set("tokenizer.ggml.pre", std::string("tekken"));
    metadata.set("tokenizer.ggml.tokens", MetaArray(std::vector<std::string>(12, "a")));
    EXPECT_TRUE(read_gguf_vocabulary(metadata)->add_bos);
    EXPECT_TRUE(read_gguf_vocabulary(metadata)->ignore_merges);
    EXPECT_EQ(read_gguf_vocabulary(metadata)->eos, 11);
    metadata.set("tokenizer.ggml.pre", std::string("gpt-2"));
    EXPECT_FALSE(read_gguf_vocabulary(metadata)->add_bos);
    metadata.set("tokenizer.ggml.pre", std::string("nobody's"));
    EXPECT_THROW(read_gguf_vocabulary(metadata), Error);
}

TEST(GgufVocabulary, PaddedToTheEmbedding) {
    const Vocabulary v = tiny_vocabulary(300);
    Metadata metadata;
    write_gguf_vocabulary(v, 304, metadata);
    const Vocabulary read = *read_gguf_vocabulary(metadata);
    ASSERT_EQ(read.size(), 304);
    EXPECT_EQ(read.tokens[303], "[PAD303]");
    EXPECT_EQ(read.types[303], TokenType::unused);
    EXPECT_NO_THROW(make_tokenizer(read));
}

TEST(GgufVocabulary, NoneAtAll) {
    Metadata metadata;
    EXPECT_EQ(read_gguf_vocabulary(metadata), std::nullopt);
    metadata.set("tokenizer.ggml.model", std::string("none"));
    EXPECT_EQ(read_gguf_vocabulary(metadata), std::nullopt);
}

TEST(GgufVocabulary, DefaultsOfAbsentKeys) {
    Metadata metadata;
    metadata.set("tokenizer.ggml.model", std::string("llama"));
    metadata.set("tokenizer.ggml.tokens", MetaArray(std::vector<std::string>{"<unk>", "<s>", "</s>", "a"}));
    metadata.set("tokenizer.ggml.scores", MetaArray(std::vector<float>{0, 0, 0, -1}));
    const Vocabulary v = *read_gguf_vocabulary(metadata);
    EXPECT_EQ(v.bos, 1);
    EXPECT_EQ(v.eos, 2);
    EXPECT_EQ(v.unk, 0);
    EXPECT_EQ(v.pad, -1);
    EXPECT_TRUE(v.add_bos);
    EXPECT_FALSE(v.add_eos);
    EXPECT_TRUE(v.add_space_prefix);
    EXPECT_EQ(v.types[3], TokenType::normal);
}

TEST(GgufVocabulary, OddValues) {
    Metadata metadata;
    write_gguf_vocabulary(tiny_vocabulary(300), 300, metadata);
    metadata.set("tokenizer.ggml.padding_token_id", uint32_t{0xFFFFFFFF});  // how converters write "none"
    EXPECT_EQ(read_gguf_vocabulary(metadata)->pad, -1);
    metadata.set("tokenizer.ggml.padding_token_id", uint32_t{300});
    std::vector<std::string> warnings;
    EXPECT_EQ(read_gguf_vocabulary(metadata, &warnings)->pad, -1);  // as if it were not there, and said so
    EXPECT_EQ(warnings.size(), 1u);
    metadata.erase("tokenizer.ggml.padding_token_id");
    std::vector<int32_t> types(300, 1);
    types[7] = 257;  // not 1 in eight bits
    metadata.set("tokenizer.ggml.token_type", MetaArray(types));
    EXPECT_THROW(make_tokenizer(*read_gguf_vocabulary(metadata)), Error);
    metadata.set("tokenizer.ggml.tokens", uint32_t{3});
    EXPECT_THROW(read_gguf_vocabulary(metadata), Error);
}

// Real vocabularies give llama.cpp's ids, also on the way through Hugging Face's files and back.
TEST(GgufVocabulary, RealIdsTravel) {
    const std::filesystem::path directory =
        std::filesystem::temp_directory_path() / ("gremium-vocabulary-" + std::to_string(getpid()));
    std::filesystem::create_directories(directory);
    for (const char* name : {"llama-spm", "deepseek-llm", "gpt-2", "starcoder"}) {
        const std::filesystem::path base = shared_fixture(std::string("tokenizers/") + name);
        if (base.empty()) GTEST_SKIP() << "the vocabularies of ../shared/fixtures/tokenizers are not here";
        const auto given = load_tokenizer(base.string() + ".gguf");
        write_hf_tokenizer(given->vocabulary(), directory);
        const auto travelled = load_tokenizer(directory);
        Metadata metadata;
        write_gguf_vocabulary(travelled->vocabulary(), travelled->vocabulary().size(), metadata);
        const std::shared_ptr<const Tokenizer> back = make_tokenizer(*read_gguf_vocabulary(metadata));
        EXPECT_EQ(back->vocabulary(), given->vocabulary()) << name;

        const std::string inputs = read_text_file(base.string() + ".inp"), separator = "\n__ggml_vocab_test__\n";
        std::istringstream outputs(read_text_file(base.string() + ".out"));
        int cases = 0;
        for (size_t begin = 0; begin < inputs.size(); ++cases) {
            const size_t end = std::min(inputs.find(separator, begin), inputs.size());
            std::string line;
            ASSERT_TRUE(std::getline(outputs, line));
            std::istringstream numbers(line);
            const std::vector<int32_t> expected{std::istream_iterator<int32_t>(numbers), {}};
            for (const Tokenizer* tokenizer : {given.get(), travelled.get(), back.get()})
                EXPECT_EQ(tokenizer->encode(inputs.substr(begin, end - begin),
                                            {.add_bos_eos = false, .parse_special = false}),
                          expected)
                    << name;
            begin = end + separator.size();
        }
        EXPECT_GT(cases, 20);
        std::filesystem::remove_all(directory);
        std::filesystem::create_directories(directory);
    }
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace gremium::test
