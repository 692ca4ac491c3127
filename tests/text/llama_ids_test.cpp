// Ids against llama.cpp's, on real vocabularies and texts chosen to be awkward.
#include <gtest/gtest.h>

#include <sstream>

#include "tests/text/fixtures.h"
#include "text/tokenizer.h"

namespace gremium {
namespace {

std::vector<std::string> split(const std::string& text, const std::string& separator) {
    std::vector<std::string> parts;
    for (size_t begin = 0;;) {
        const size_t end = text.find(separator, begin);
        parts.push_back(text.substr(begin, end - begin));
        if (end == text.npos) return parts;
        begin = end + separator.size();
    }
}

TEST(LlamaIds, EqualLlamaCppOnRealVocabularies) {
    const auto directory = test::fixtures() / "tokenizers";
    if (!std::filesystem::exists(directory)) GTEST_SKIP() << directory << " is not here";
    int vocabularies = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (entry.path().extension() != ".gguf") continue;
        SCOPED_TRACE(entry.path().stem());
        ++vocabularies;
        const std::string base = (directory / entry.path().stem()).string();
        const auto tokenizer = make_tokenizer(test::read_gguf_vocabulary(base + ".gguf"));
        const auto texts = split(read_text_file(base + ".inp"), "\n__ggml_vocab_test__\n");
        const auto lines = split(read_text_file(base + ".out"), "\n");
        ASSERT_GE(texts.size(), 40u);
        ASSERT_GE(lines.size(), texts.size());
        for (size_t i = 0; i < texts.size(); ++i) {
            std::vector<int32_t> expected;
            std::istringstream line(lines[i]);
            for (int32_t id; line >> id;) expected.push_back(id);
            EXPECT_EQ(tokenizer->encode(texts[i], {.add_bos_eos = false}), expected)
                << "text " << i << ": " << texts[i];
            EXPECT_EQ(tokenizer->decode(expected), texts[i]);
        }
    }
    EXPECT_GE(vocabularies, 4);
}

}  // namespace
}  // namespace gremium
