#include "text/tokenizer_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/pre_tokenizers.h"
#include "text/tokenizer.h"

namespace gremium {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int32_t>;

// a 0, b 1, Ġ 2, ab 3, Ġab 4; <s> 5 special, <x> 6 not, <|y|> 7 by its looks.
Json byte_level() {
    return Json::parse(R"({
        "version": "1.0",
        "added_tokens": [
            {"id": 5, "content": "<s>", "special": true, "lstrip": false, "rstrip": false, "normalized": false},
            {"id": 6, "content": "<x>", "special": false, "lstrip": false, "rstrip": true},
            {"id": 7, "content": "<|y|>", "special": false}],
        "normalizer": {"type": "Sequence", "normalizers": []},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": "\\p{N}"}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [5], "tokens": ["<s>"]}}},
        "model": {"type": "BPE", "ignore_merges": false,
            "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4}, "merges": ["a b", ["Ġ", "ab"]]}})");
}

std::string message_of(const Json& file) {
    try {
        read_tokenizer_json(file.dump(), "tokenizer.json");
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

TEST(TokenizerJson, ByteLevelBpe) {
    const Vocabulary v = read_tokenizer_json(byte_level().dump(), "tokenizer.json");
    EXPECT_EQ(v.model, "gpt2");
    EXPECT_EQ(v.pre, "starcoder");
    EXPECT_EQ(v.splits, pre_tokenizer("starcoder").patterns);
    EXPECT_EQ(v.merges, (std::vector<std::string>{"a b", "Ġ ab"}));
    EXPECT_EQ(v.types[5], TokenType::control);
    EXPECT_EQ(v.types[6], TokenType::user_defined);
    EXPECT_EQ(v.types[7], TokenType::control);
    EXPECT_EQ(v.strip_right, (std::vector<int32_t>{6}));
    EXPECT_EQ(v.bos, 5);
    EXPECT_TRUE(v.add_bos);
    EXPECT_FALSE(v.add_eos);
    const auto t = make_tokenizer(v);
    EXPECT_EQ(t->encode("ab ab"), (Ids{5, 3, 4}));
    EXPECT_EQ(t->encode("a<x> b<s>"), (Ids{5, 0, 6, 1, 5}));
    EXPECT_EQ(t->decode(Ids{5, 3, 4, 6}), "ab ab<x>");
}

TEST(TokenizerJson, WrittenAndReadIsTheSame) {
    Json file = byte_level();
    file["normalizer"] = {{"type", "NFC"}};
    file["model"]["ignore_merges"] = true;
    const Vocabulary v = read_tokenizer_json(file.dump(), "tokenizer.json");
    EXPECT_TRUE(v.nfc && v.ignore_merges);
    EXPECT_EQ(read_tokenizer_json(write_tokenizer_json(v), "written"), v);
}

// What comes from another format does not change by going through this one.
TEST(TokenizerJson, OurOwnFilesNeedNoPipeline) {
    Vocabulary v = read_tokenizer_json(byte_level().dump(), "tokenizer.json");
    EXPECT_FALSE(v.pipeline.empty());
    v.pipeline.clear();
    EXPECT_EQ(read_tokenizer_json(write_tokenizer_json(v), "written"), v);
}

TEST(TokenizerJson, PreTokenizerStepsAreCombined) {
    const auto splits = [](const char* steps) {
        Json file = byte_level();
        file["pre_tokenizer"] = Json::parse(steps);
        return read_tokenizer_json(file.dump(), "tokenizer.json").splits;
    };
    using Patterns = std::vector<std::string>;
    EXPECT_EQ(splits(R"({"type": "ByteLevel"})"), (Patterns{gpt2_pattern}));
    EXPECT_EQ(splits(R"({"type": "ByteLevel", "use_regex": false})"), (Patterns{"(?!)"}));
    EXPECT_EQ(splits(R"({"type": "Sequence", "pretokenizers": [
                         {"type": "Punctuation", "behavior": "Contiguous"},
                         {"type": "ByteLevel", "use_regex": false},
                         {"type": "Digits", "individual_digits": false},
                         {"type": "Split", "pattern": {"String": "a.b"}, "behavior": "Removed", "invert": true}]})"),
              (Patterns{R"([!-/:-@\[-`{-~\p{P}]+)", R"(\p{N}+)", R"(a\.b)"}));
}

TEST(TokenizerJson, SentencePieceBpeAsMerges) {
    const Json file = Json::parse(R"({
        "added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true}],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": null, "post_processor": null,
        "model": {"type": "BPE", "byte_fallback": true, "unk_token": "<unk>",
            "vocab": {"<unk>": 0, "<s>": 1, "<0x63>": 2, "▁": 3, "a": 4, "b": 5, "ab": 6, "▁a": 7, "▁ab": 8},
            "merges": ["a b", "▁ a", "▁ ab", "▁a b"]}})");
    const Vocabulary v = read_tokenizer_json(file.dump(), "tokenizer.json");
    EXPECT_EQ(v.model, "llama");
    EXPECT_EQ(v.unk, 0);
    EXPECT_TRUE(v.add_space_prefix);
    EXPECT_EQ(v.types[2], TokenType::byte);
    EXPECT_GT(v.scores[6], v.scores[7]);
    EXPECT_GT(v.scores[7], v.scores[8]);
    EXPECT_EQ(make_tokenizer(v)->encode("ab a"), (Ids{8, 7}));
}

TEST(TokenizerJson, AddedTokensOfSpacesAreSpaces) {
    const Json file = Json::parse(R"({
        "added_tokens": [{"id": 0, "content": "<unk>", "special": true},
                         {"id": 3, "content": "▁▁", "special": false, "normalized": false}],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "model": {"type": "BPE", "byte_fallback": true, "unk_token": "<unk>",
            "vocab": {"<unk>": 0, "▁": 1, "a": 2, "▁▁": 3, "▁a": 4}, "merges": ["▁ ▁", "▁ a"]}})");
    const auto t = make_tokenizer(read_tokenizer_json(file.dump(), "tokenizer.json"));
    EXPECT_EQ(t->encode("  a a"), (Ids{3, 2, 4}));
    EXPECT_EQ(t->decode(Ids{3, 2, 4}), "  a a");
}

TEST(TokenizerJson, Unigram) {
    const Json file = Json::parse(R"({
        "added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "</s>", "special": true},
                         {"id": 5, "content": "<extra_id_0>", "special": true}],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": ""},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true}]},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
        "model": {"type": "Unigram", "unk_id": 0,
            "vocab": [["<unk>", 0.0], ["</s>", 0.0], ["▁", -2.5], ["a", -2.0], ["▁a", -3.0]]}})");
    const Vocabulary v = read_tokenizer_json(file.dump(), "tokenizer.json");
    EXPECT_EQ(v.model, "t5");
    EXPECT_TRUE(v.add_space_prefix && v.remove_extra_whitespaces && v.add_eos);
    EXPECT_EQ(make_tokenizer(v)->encode(" a  aa<extra_id_0>"), (Ids{4, 4, 3, 5, 1}));
}

TEST(TokenizerJson, NamesWhatIsNotSupported) {
    const auto after = [](const char* section, const Json& value) {
        Json file = byte_level();
        file[section] = value;
        return message_of(file);
    };
    EXPECT_TRUE(after("model", {{"type", "Phrases"}})
                    .starts_with("tokenizer.json: model \"Phrases\" is not supported; supported: BPE, Unigram, "));
    EXPECT_TRUE(after("normalizer", {{"type", "Rot13"}})
                    .starts_with("tokenizer.json: normalizer {\"type\":\"Rot13\"} is not supported; supported: NFC, "));
    EXPECT_TRUE(after("pre_tokenizer", {{"type", "UnicodeScripts"}})
                    .starts_with("tokenizer.json: pre_tokenizer {\"type\":\"UnicodeScripts\"} is not supported"));
    EXPECT_TRUE(
        after("decoder", {{"type", "CTC"}}).starts_with("tokenizer.json: decoder {\"type\":\"CTC\"} is not supported"));
    EXPECT_TRUE(after("post_processor", {{"type", "Other"}})
                    .starts_with("tokenizer.json: post_processor {\"type\":\"Other\"} is not supported"));
    EXPECT_TRUE(after("pre_tokenizer", {{"type", "Split"}, {"pattern", {{"String", "a"}}}, {"behavior", "Gone"}})
                    .find("behavior \"Gone\" is not supported") != std::string::npos);
    Json file = byte_level();
    file["model"]["dropout"] = 0.1;
    EXPECT_THROW(make_tokenizer(read_tokenizer_json(file.dump(), "t")), Error);
    EXPECT_TRUE(after("model", 5).starts_with("tokenizer.json: not as the tokenizers library writes it: "));
    EXPECT_TRUE(after("model", {{"type", "BPE"}, {"vocab", {{"a", 1 << 30}}}, {"merges", Json::array()}})
                    .starts_with("tokenizer.json: token \"a\" has id 1073741824"));
    EXPECT_EQ(message_of(Json::array()), "tokenizer.json: not a JSON object");
}

TEST(TokenizerJson, ListsOfTheModelMustBeAsWritten) {
    const auto with = [](const char* key, const Json& value) {
        Json file = byte_level();
        file["model"][key] = value;
        return message_of(file);
    };
    const std::string merges = "tokenizer.json: model.merges is not as the tokenizers library writes it",
                      vocab = "tokenizer.json: model.vocab is not as the tokenizers library writes it";
    EXPECT_EQ(with("merges", {"a b", 5}), merges);
    EXPECT_EQ(with("merges", {{"a"}}), merges);
    EXPECT_EQ(with("merges", {{"a", "b", "ab"}}), merges);
    EXPECT_EQ(with("merges", Json::parse(R"([["a", ["b"]]])")), merges);
    EXPECT_EQ(with("merges", Json::object()), merges);
    EXPECT_EQ(with("merges", {{{"a", "b"}}}), merges);
    EXPECT_EQ(with("vocab", {{"a", "0"}}), vocab);
    EXPECT_EQ(with("vocab", {{"a", Json::array()}}), vocab);
    EXPECT_EQ(with("vocab", Json::array({Json::array({"a"})})), vocab);
    EXPECT_EQ(with("vocab", Json::array({Json::array({-1.0, "a"})})), vocab);
    EXPECT_EQ(with("vocab", Json::array({"a"})), vocab);
    // Of the same name elsewhere they are settings.
    Json file = byte_level();
    file["vocab"] = file["merges"] = {1, 2, {{"model", {{"vocab", "x"}}}}};
    file["model"]["other"]["vocab"] = Json::array({"x"});
    EXPECT_EQ(read_tokenizer_json(file.dump(), "t"), read_tokenizer_json(byte_level().dump(), "t"));
    // Cut anywhere it is an error of one kind or another.
    const std::string text = byte_level().dump();
    for (size_t size = 0; size < text.size(); ++size)
        EXPECT_THROW(read_tokenizer_json(text.substr(0, size), "t"), Error);
    EXPECT_THROW(read_tokenizer_json(R"({"model": {"type": "BPE"}})", "t"), Error);
}

}  // namespace
}  // namespace gremium
