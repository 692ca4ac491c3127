#include "text/hf_tokenizer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "tests/text/small_vocabulary.h"

namespace gremium {
namespace {

class HfTokenizer : public testing::Test {
  protected:
    HfTokenizer() : directory(testing::TempDir() + "gremium_hf_tokenizer_" + std::to_string(getpid())) {
        std::filesystem::create_directory(directory);
    }
    ~HfTokenizer() override { std::filesystem::remove_all(directory); }

    void change_config(const char* key, const nlohmann::json& value) {
        auto config = nlohmann::json::parse(read_text_file(directory / "tokenizer_config.json"));
        config[key] = value;
        write_file_atomically(directory / "tokenizer_config.json", config.dump());
    }

    std::filesystem::path directory;
};

TEST_F(HfTokenizer, WrittenAndReadIsTheSame) {
    Vocabulary v = test::small_vocabulary({"▁a", "b"});
    v.add_bos = false;
    v.add_eos = true;
    v.add_space_prefix = false;
    v.chat_template = "{% for m in messages %}…{% endfor %}";
    write_hf_tokenizer(v, directory);
    EXPECT_EQ(read_hf_tokenizer(directory), v);
}

TEST_F(HfTokenizer, TheConfigurationWins) {
    const Vocabulary v = test::small_vocabulary({"▁a", "b"});
    write_hf_tokenizer(v, directory);
    change_config("bos_token", {{"__type", "AddedToken"}, {"content", "</s>"}});
    change_config("pad_token", "<unk>");
    change_config("add_bos_token", nullptr);
    Vocabulary expected = v;
    expected.bos = 2;
    expected.pad = 0;
    EXPECT_EQ(read_hf_tokenizer(directory), expected);
    std::filesystem::remove(directory / "tokenizer_config.json");
    EXPECT_EQ(read_hf_tokenizer(directory), v);
}

TEST_F(HfTokenizer, FaultsNameTheFile) {
    write_hf_tokenizer(test::small_vocabulary({"a"}), directory);
    const auto message = [&] {
        try {
            read_hf_tokenizer(directory);
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("no error");
    };
    const std::string config = (directory / "tokenizer_config.json").string();
    change_config("eos_token", "<nowhere>");
    EXPECT_EQ(message(), config + ": eos_token \"<nowhere>\" is not in the vocabulary");
    change_config("eos_token", 5);
    EXPECT_EQ(message(), config + ": eos_token is 5, expected a token's text");
    change_config("eos_token", "</s>");
    change_config("add_bos_token", "yes");
    EXPECT_EQ(message(), config + ": add_bos_token is \"yes\", expected true or false");
    write_file_atomically(directory / "tokenizer_config.json", "{\"bos_token\": ");
    EXPECT_EQ(message(), config + ": not valid JSON at byte 15");
    write_file_atomically(directory / "tokenizer_config.json", "[1]");
    EXPECT_EQ(message(), config + ": not a JSON object");
    const std::string deep = "{\"add_bos_token\": " + std::string(500'000, '[') + std::string(500'000, ']') + "}";
    write_file_atomically(directory / "tokenizer_config.json", deep);
    EXPECT_EQ(message(), config + ": JSON is nested more than 64 deep");
    write_file_atomically(directory / "tokenizer.model", "\n\xFFgarbage");
    EXPECT_EQ(message(), (directory / "tokenizer.model").string() +
                             ": not a SentencePiece model: a field that reaches past the end at byte 3");
    std::filesystem::remove(directory / "tokenizer.model");
    EXPECT_NE(message().find("tokenizer.model"), std::string::npos);
}

}  // namespace
}  // namespace gremium
