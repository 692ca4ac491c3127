#include <algorithm>
#include <nlohmann/json.hpp>

#include "text/pipeline/tokenizer.h"
#include "text/pre_tokenizers.h"
#include "text/tokenizer_json.h"

namespace gremium {

using Json = nlohmann::json;

namespace {

Json added_tokens(const Vocabulary& v) {
    Json tokens = Json::array();
    for (int32_t id = 0; id < v.size(); ++id) {
        if (v.types[id] != TokenType::control && v.types[id] != TokenType::user_defined) continue;
        const auto in = [&](const std::vector<int32_t>& list) { return std::ranges::find(list, id) != list.end(); };
        tokens.push_back({{"id", id},
                          {"content", v.tokens[id]},
                          {"single_word", false},
                          {"lstrip", in(v.strip_left)},
                          {"rstrip", in(v.strip_right)},
                          {"normalized", false},
                          {"special", v.types[id] == TokenType::control}});
    }
    return tokens;
}

Json pre_tokenizer_section(const Vocabulary& v) {
    Json steps = Json::array();
    for (const std::string& pattern : v.splits.empty() ? pre_tokenizer(v.pre).patterns : v.splits) {
        steps.push_back(
            {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
    }
    steps.push_back({{"type", "ByteLevel"},
                     {"add_prefix_space", v.add_space_prefix},
                     {"trim_offsets", true},
                     {"use_regex", false}});
    return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

// BOS and EOS around the text, as far as they are added.
Json post_processor_section(const Vocabulary& v) {
    Json single = Json::array(), tokens = Json::object();
    const auto add = [&](bool wanted, int32_t id) {
        if (!wanted) return;
        const std::string& name = v.tokens[id];
        single.push_back({{"SpecialToken", {{"id", name}, {"type_id", 0}}}});
        tokens[name] = {{"id", name}, {"ids", {id}}, {"tokens", {name}}};
    };
    add(v.add_bos, v.bos);
    single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
    add(v.add_eos, v.eos);
    Json pair = single;
    pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
    return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", tokens}};
}

// The file that was read: its settings and, as they are now, its lists.
std::string written_pipeline(const Vocabulary& v) {
    Json file = Json::parse(v.pipeline);
    Json& model = file["model"];
    const auto apart = model.value("added_only", std::vector<int32_t>());
    const auto scores = model.value("scores", std::vector<double>(v.scores.begin(), v.scores.end()));
    const std::vector<std::string> tokens = pipeline::original_tokens(v, file);
    const bool pairs = model["type"] == "Unigram";
    Json vocabulary = pairs ? Json::array() : Json::object();
    for (int32_t id = 0; id < v.size(); ++id) {
        if (std::ranges::binary_search(apart, id)) continue;
        if (pairs)
            vocabulary.push_back({tokens[id], scores.at(static_cast<size_t>(id))});
        else
            vocabulary[tokens[id]] = id;
    }
    model["vocab"] = std::move(vocabulary);
    if (model["type"] == "BPE") model["merges"] = v.merges;
    for (const char* own : {"added_only", "scores", "respelled"}) model.erase(own);
    for (const char* own : {"before", "behind"}) file.erase(own);
    return file.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

nlohmann::ordered_json tokenizer_json_settings(const Vocabulary& v) {
    const Json byte_level = {
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
    return {{"version", "1.0"},
            {"truncation", nullptr},
            {"padding", nullptr},
            {"added_tokens", added_tokens(v)},
            {"normalizer", v.nfc ? Json{{"type", "NFC"}} : Json()},
            {"pre_tokenizer", pre_tokenizer_section(v)},
            {"post_processor", post_processor_section(v)},
            {"decoder", byte_level},
            {"model",
             {{"type", "BPE"},
              {"dropout", nullptr},
              {"unk_token", nullptr},
              {"continuing_subword_prefix", nullptr},
              {"end_of_word_suffix", nullptr},
              {"fuse_unk", false},
              {"byte_fallback", false},
              {"ignore_merges", v.ignore_merges}}}};
}

std::string write_tokenizer_json(const Vocabulary& v) {
    if (!v.pipeline.empty()) return written_pipeline(v);
    Json vocabulary = Json::object();
    for (int32_t id = 0; id < v.size(); ++id) {
        if (v.types[id] != TokenType::control && v.types[id] != TokenType::user_defined) vocabulary[v.tokens[id]] = id;
    }
    nlohmann::ordered_json file = tokenizer_json_settings(v);
    file["model"]["vocab"] = vocabulary;
    file["model"]["merges"] = v.merges;
    return file.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace gremium
