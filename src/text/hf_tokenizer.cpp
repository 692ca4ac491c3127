#include "text/hf_tokenizer.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/git_lfs.h"
#include "base/json.h"
#include "text/sentencepiece.h"
#include "text/text_file.h"
#include "text/tokenizer_json.h"

namespace gremium {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr size_t max_config_bytes = size_t{64} << 20;  // some list a hundred thousand added tokens

int32_t find_token(const Vocabulary& v, const std::string& text) {
    const auto it = std::find(v.tokens.begin(), v.tokens.end(), text);
    return it == v.tokens.end() ? -1 : static_cast<int32_t>(it - v.tokens.begin());
}

// Sets `flag` from a true/false field; absent or null leaves it.
void read_flag(const Json& config, const char* key, bool& flag, const std::string& where) {
    const auto field = config.find(key);
    if (field == config.end() || field->is_null()) return;
    if (!field->is_boolean()) fail("{}: {} is {}, expected true or false", where, key, field->dump());
    flag = *field;
}

// Sets `id` from a special token's field: its text, or an object with "content". Null: there is none.
void read_token(const Json& config, const char* key, int32_t& id, const Vocabulary& v, const std::string& where) {
    auto field = config.find(key);
    if (field == config.end()) return;
    id = -1;
    if (field->is_null()) return;
    const Json& content = field->is_object() && field->contains("content") ? (*field)["content"] : *field;
    if (!content.is_string()) fail("{}: {} is {}, expected a token's text", where, key, field->dump());
    id = find_token(v, content);
    if (id < 0) fail("{}: {} \"{}\" is not in the vocabulary", where, key, content.get<std::string>());
}

Json token_text(const Vocabulary& v, int32_t id) { return id < 0 ? Json() : Json(v.tokens[id]); }

// A string, or a list of named templates: then the one called "default".
std::string read_chat_template(const Json& config) {
    const Json given = config.value("chat_template", Json());
    if (given.is_string()) return given;
    for (const Json& named : given.is_array() ? given : Json::array()) {
        if (named.value("name", "") == "default") return named.value("template", "");
    }
    return "";
}

void read_added_tokens(const Json& config, Vocabulary& v, const std::string& where) {
    const Json added = config.value("added_tokens_decoder", Json::object());
    std::vector<std::pair<int64_t, const Json*>> tokens;
    for (const auto& [id, token] : added.items()) tokens.emplace_back(std::stoll(id), &token);
    std::sort(tokens.begin(), tokens.end());
    for (const auto& [id, token] : tokens) add_token(v, id, *token, where);
}

// Tokens that tokenizer.json does not have are added to those that it has, and settings of it that transformers takes
// from tokenizer_config.json are changed.
void add_to_pipeline(const Json& config, Vocabulary& v, const std::string& where) {
    Json file = Json::parse(v.pipeline);
    Json& known = file["added_tokens"];
    if (!known.is_array()) known = Json::array();
    const Json added = config.value("added_tokens_decoder", Json::object());
    std::set<std::string> names;
    for (const Json& token : known) names.insert(token.at("content").get<std::string>());
    std::map<int64_t, Json> more;
    for (const auto& [id, token] : added.items()) {
        if (!names.contains(token.at("content").get<std::string>())) more[std::stoll(id)] = token;
    }
    // transformers lets tokenizer_config.json decide.
    Json& cutting = file["pre_tokenizer"];
    const Json space = config.value("add_prefix_space", Json());
    const bool differs = cutting.is_object() && cutting.contains("add_prefix_space") && space.is_boolean() &&
                         cutting["type"] == "ByteLevel" && cutting["add_prefix_space"] != space;
    if (differs) cutting["add_prefix_space"] = space;
    if (more.empty() && !differs) return;
    auto apart = file["model"].value("added_only", std::vector<int64_t>());
    for (auto& [id, token] : more) {
        if (id < 0 || id >= v.size() || v.tokens[static_cast<size_t>(id)] != token.at("content")) apart.push_back(id);
        add_token(v, id, token, where);
        token["id"] = id;
        known.push_back(token);
    }
    std::ranges::sort(apart);
    file["model"]["added_only"] = apart;
    v.pipeline = file.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// `from_json`: the vocabulary was read from tokenizer.json.
void read_config(const Json& config, bool from_json, Vocabulary& v, const std::string& where) {
    if (!v.pipeline.empty()) {
        add_to_pipeline(config, v, where);
        if (v.model == "llama" || v.model == "t5") read_flag(config, "add_prefix_space", v.add_space_prefix, where);
    } else if (v.model != "gpt2") {  // there tokenizer.json has said so already
        read_added_tokens(config, v, where);
        read_flag(config, "add_prefix_space", v.add_space_prefix, where);
    }
    // What tokenizer.json puts around a text are BOS and EOS to us, whatever else is called so.
    if (!from_json || !v.add_bos) read_token(config, "bos_token", v.bos, v, where);
    if (!from_json || !v.add_eos) read_token(config, "eos_token", v.eos, v, where);
    read_token(config, "unk_token", v.unk, v, where);
    read_token(config, "pad_token", v.pad, v, where);
    read_flag(config, "add_bos_token", v.add_bos, where);
    read_flag(config, "add_eos_token", v.add_eos, where);
    v.chat_template = read_chat_template(config);
}

// Whether a tokenizer.model is not SentencePiece's but tiktoken's: lines of a token in base64 and its rank.
bool is_tiktoken(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string line;
    constexpr size_t longest = 4096;
    for (char c = 0; line.size() < longest && file.get(c) && c != '\n';) line += c;
    const size_t space = line.find(' ');
    if (space == 0 || space == std::string::npos) return false;
    const auto in_base64 = [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '/' || c == '='; };
    const std::string_view token = std::string_view(line).substr(0, space),
                           rank = std::string_view(line).substr(space + 1);
    return std::ranges::all_of(token, in_base64) && rank.find_first_not_of("0123456789\r") == std::string_view::npos;
}

// eos_token_id of a configuration: an id, a list of ids or null.
void read_ends(const Json& config, Vocabulary& v, const std::string& where) {
    const auto field = config.find("eos_token_id");
    if (field == config.end() || field->is_null()) return;
    for (const Json& id : field->is_array() ? *field : Json::array({*field})) {
        if (!id.is_number_integer() || id < -1 || id > INT32_MAX)
            fail("{}: eos_token_id is {}, expected a token's id or a list of them", where, field->dump());
        add_end(v, id);
    }
}

// What transformers' generate() stops at, beside the tokenizer.
void read_ends(const fs::path& directory, Vocabulary& v) {
    for (const char* name : {"generation_config.json", "config.json"}) {
        const fs::path path = directory / name;
        if (!fs::exists(path)) continue;
        const Json config = read_json(path, max_config_bytes);
        if (!config.is_object()) fail("{}: not a JSON object", path.string());
        read_ends(config, v, path.string());
        if (const auto text = config.find("text_config"); text != config.end() && text->is_object())
            read_ends(*text, v, path.string());
    }
}

// The first of these that exists; empty when none does. A tiktoken file may stand beside a tokenizer.json that says
// the same.
fs::path find_model_file(const fs::path& directory) {
    for (const char* name : {"tokenizer.model", "spiece.model", "tokenizer.json"}) {
        const fs::path path = directory / name;
        if (!fs::exists(path)) continue;
        if (path.extension() != ".json" && fs::exists(directory / "tokenizer.json") && is_tiktoken(path)) continue;
        return path;
    }
    return {};
}

// {text: id} of tokens beyond a SentencePiece model's, as transformers before version 4.34 wrote them.
void read_added_tokens_file(const fs::path& directory, Vocabulary& v) {
    const fs::path path = directory / "added_tokens.json";
    if (!fs::exists(path)) return;
    const Json added = read_json(path, max_config_bytes);
    std::vector<std::pair<int64_t, std::string>> tokens;
    if (!added.is_object()) fail("{}: not a JSON object", path.string());
    for (const auto& [text, id] : added.items()) {
        if (!id.is_number_integer())
            fail("{}: the id of \"{}\" is {}, expected a number", path.string(), text, id.dump());
        if (find_token(v, text) < 0) tokens.emplace_back(id.get<int64_t>(), text);
    }
    std::ranges::sort(tokens);
    for (const auto& [id, text] : tokens) add_token(v, id, {{"content", text}}, path.string());
}

Vocabulary read_model_file(const fs::path& path) {
    const std::string bytes = read_text_file(path);
    refuse_git_lfs_pointer(bytes, path.string());
    if (path.extension() != ".json" && is_tiktoken(path))
        fail("{}: is a vocabulary of tiktoken, which is not supported without a tokenizer.json beside it",
             path.string());
    return path.extension() == ".json" ? read_tokenizer_json(bytes, path.string())
                                       : read_sentencepiece_model(bytes, path.string());
}

}  // namespace

bool has_hf_tokenizer(const fs::path& directory) { return !find_model_file(directory).empty(); }

Vocabulary read_hf_tokenizer(const fs::path& directory) {
    const fs::path file = find_model_file(directory);
    if (file.empty()) fail("{}: holds no tokenizer.model, spiece.model or tokenizer.json", directory.string());
    Vocabulary v = read_model_file(file);
    if (file.extension() != ".json") read_added_tokens_file(directory, v);

    const fs::path config_path = directory / "tokenizer_config.json";
    if (fs::exists(config_path)) {
        const std::string where = config_path.string();
        const Json config = read_json(config_path, max_config_bytes);
        if (!config.is_object()) fail("{}: not a JSON object", where);
        try {
            read_config(config, file.extension() == ".json", v, where);
        } catch (const Json::exception& error) {
            fail("{}: {}", where, error.what());
        } catch (const std::logic_error&) {
            fail("{}: an id of added_tokens_decoder is no number", where);
        }
        validate(v, where);
    }
    read_ends(directory, v);
    const fs::path chat_template = directory / "chat_template.jinja";
    if (fs::exists(chat_template)) v.chat_template = read_text(chat_template);
    return v;
}

void write_hf_tokenizer(const Vocabulary& v, const fs::path& directory) {
    const bool json = v.model == "gpt2" || !v.pipeline.empty(), unigram = v.model == "t5";
    Json config = {{"tokenizer_class", json      ? "PreTrainedTokenizerFast"
                                       : unigram ? "T5Tokenizer"
                                                 : "LlamaTokenizer"},
                   {"bos_token", token_text(v, v.bos)},
                   {"eos_token", token_text(v, v.eos)},
                   {"unk_token", token_text(v, v.unk)},
                   {"pad_token", token_text(v, v.pad)},
                   {"add_bos_token", v.add_bos},
                   {"add_eos_token", v.add_eos},
                   {"add_prefix_space", v.add_space_prefix},
                   {"legacy", false},
                   {"clean_up_tokenization_spaces", false},
                   {"spaces_between_special_tokens", false}};
    if (!v.chat_template.empty()) config["chat_template"] = v.chat_template;
    if (json) {
        write_file_atomically(directory / "tokenizer.json", write_tokenizer_json(v));
    } else {
        write_file_atomically(directory / (unigram ? "spiece.model" : "tokenizer.model"), write_sentencepiece_model(v));
    }
    write_file_atomically(directory / "tokenizer_config.json",
                          config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace gremium
